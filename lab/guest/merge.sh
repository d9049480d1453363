#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# merge.sh PROVIDER DRIVE: a MiB is read in batches of sixteen pages, into RAM, into peer memory, and into both by
# turns. The host counts the commands that the drive got.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

completed() { awk '{ print $1 " requests, " $2 " bios merged" }' "/sys/block/${drive##*/}/stat"; }

plan 4
announce "$1" "$2" && announce_bar "$1"
result $? "drive and peer memory are there"
P2P_PROVIDER=$(drive_bdf "$1")
export P2P_PROVIDER
drive=$(drive_node "$2")
for what in ram peer both; do
	before=$(completed)
	p2p_merge "$drive" $what $what
	result $? "$what: before $before, after $(completed)"
done
finish
