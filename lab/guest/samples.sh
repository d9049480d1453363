#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# samples.sh PROVIDER NEAR FAR: the drivers of samples/pci-p2pdma: PROVIDER is ivshmem, NEAR an edu that reaches it,
# FAR one that does not. What is in the BAR the host says, which has no part in it.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

# copy DEVICE WORD: from RAM to the peer memory and back
copy() { printf %s "$2" 2>/dev/null >"/sys/bus/pci/devices/$1/copy"; }
# copy_range DEVICE WORD: likewise, to a range without pages; prints what it fails with
copy_range() { printf %s "$bdf $2" | dd of="/sys/bus/pci/devices/$1/copy_range" bs=64 2>&1; }
holds() { [ "$(lab_ask holds "$name" "$1")" = yes ]; }
is_free() { [ "$(cat "$device/p2pmem/available")" = "$(cat "$device/p2pmem/size")" ]; }

name=$1
plan 15
near=$(lab_ask where "$2")
far=$(lab_ask where "$3")
insmod /lib/p2pdma-client.ko && ! copy "$near" early
result $? "a client, but nobody who has memory"
insmod /lib/p2pdma-provider.ko && announce_bar "$1"
result $? "a provider"
device=/sys/bus/pci/devices/$(drive_bdf "$1")
[ "$(cat "$device/p2pmem/published")" = 1 ] && is_free && ! holds first
result $? "its memory is published, and nobody uses it"
copy "$near" first && ! is_free
result $? "the client's device copies to it and back"
holds first
result $? "the host finds the data in the BAR"
copy "$near" second && holds second && ! holds first
result $? "and other data there the next time"
! copy "$far" far && ! holds far
result $? "a client that does not reach it finds no memory"
rmmod p2pdma-provider && [ ! -e "$device/p2pmem" ]
result $? "the provider goes, as its client gives the memory back"
! copy "$near" gone
result $? "which then has none"
insmod /lib/p2pdma-provider.ko && copy "$near" third && holds third
result $? "and takes some again when there is"
rmmod p2pdma-client && is_free && rmmod p2pdma-provider
result $? "the client goes first"

insmod /lib/p2pdma-range.ko && bdf=$(drive_bdf "$1") && announce_bar "$1"
result $? "a provider of a range without pages, and its clients"
[ "$(cat "$device/p2pmem/size")" = 0 ] && ! holds fourth && copy_range "$near" fourth && holds fourth
result $? "has no memory for others; the client's device copies to the range and back: the host finds it in the BAR"
case $(copy_range "$far" fifth) in *"Remote I/O"*) ! holds fifth ;; *) false ;; esac
result $? "a client that does not reach it is refused"
echo "$bdf" >"/sys/bus/pci/drivers/p2pdma-range-provider/unbind" && [ ! -e "$device/p2pmem" ] &&
	case $(copy_range "$near" sixth) in *"No such device"*) ! holds sixth ;; *) false ;; esac &&
	rmmod p2pdma-range
result $? "and one whose provider is gone"
finish
