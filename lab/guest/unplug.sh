#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unplug.sh KEEP TAKE: have the host pull the drive TAKE out; KEEP must not notice.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

plan 3
announce "$1" "$2"
result $? "drives are there"
keep=$(drive_node "$1")
take=$(drive_node "$2")
lab unplug "$2"
# The bus is done with it before the last of its block device is.
for _ in $(seq 50); do
	[ -b "$take" ] || break
	sleep 0.1
done
[ ! -b "$take" ]
result $? "$2 is gone"
dd if="$keep" of=/dev/null bs=1M count=4 2>/dev/null
result $? "$1 still reads"
finish
