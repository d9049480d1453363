#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-cmb.sh PROVIDER BYTES SMALL: PROVIDER registers BYTES; SMALL has a CMB that is too small for struct pages,
# and provides nothing, but is a drive all the same and says why.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

plan 4
announce "$1"
result $? "drive is there"
size=$(cat "/sys/bus/pci/devices/$(drive_bdf "$1")/p2pmem/size")
[ "$size" = "$2" ]
result $? "it registers $size bytes"
for dir in /sys/class/nvme/nvme*; do
	read -r serial <"$dir/serial"
	[ "$serial" = "$3" ] && break
done
[ "$serial" = "$3" ] && [ "$(cat "$dir/state")" = live ] && [ ! -e "$dir/device/p2pmem" ]
result $? "$3 works and provides nothing"
dmesg | grep -q "nvme ${dir##*/}: CMB not used: no aligned 0x200000 bytes in 0x100000 at 0x"
result $? "the log says why"
finish
