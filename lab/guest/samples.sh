#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# samples.sh PROVIDER NEAR FAR: the drivers of samples/pci-p2pdma: PROVIDER is ivshmem, NEAR an edu that reaches it,
# FAR one that does not. What is in the BAR the host says, which has no part in it.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

# copy DEVICE WORD: from RAM to the peer memory and back
copy() { printf %s "$2" 2>/dev/null >"/sys/bus/pci/devices/$1/copy"; }
holds() { [ "$(lab_ask holds "$name" "$1")" = yes ]; }
is_free() { [ "$(cat "$device/p2pmem/available")" = "$(cat "$device/p2pmem/size")" ]; }

name=$1
plan 11
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
finish
