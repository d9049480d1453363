#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lend-module.sh FROM TO LENDER: the driver that lends any BAR, as a module (of another name, as it is built in as well,
# but not started): loaded with its parameter, and taken out while what it lends is mapped and used.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

MIB=1048576
driver=/sys/bus/pci/drivers/pci-p2pdma-lend
module=/sys/module/lend_module

copy() { p2p_copy --from "$from" --to "$to" --via "$lender" --bytes $MIB >/dev/null 2>&1; }
copies() {
	while [ -e "$driver" ]; do
		copy && : >/tmp/copied
	done
}
lends() { [ "$(cat "$device/p2pmem/size")" = "$1" ]; }

plan 7
[ ! -e $driver ] && insmod /lib/lend_module.ko ranges=2/16M && [ -e $driver ]
result $? "loaded"
announce "$1" "$2" "$3" && lend "$3"
result $? "it lends"
from=$(drive_node "$1")
to=$(drive_node "$2")
lender=$(drive_bdf "$3")
device=/sys/bus/pci/devices/$lender
lends $((48 * MIB)) && [ "$(cat $module/parameters/ranges)" = 2/0x1000000/0x0 ]
result $? "what its parameter says"
p2p_storm "$lender" &
storm=$!
copies &
copying=$!
until_ok [ -e /tmp/copied ] && rmmod lend_module
result $? "taken out while that is used"
wait $storm
result $? "those that had mapped it have ended, by SIGBUS or an error"
wait $copying
[ ! -e $driver ] && [ ! -e $module ] && [ ! -e "$device/p2pmem" ] && [ ! -e "$device/driver" ]
result $? "nothing of it is left"
insmod /lib/lend_module.ko && drive_bdf "$3" >/dev/null && lends $((64 * MIB)) && copy
result $? "and loaded again"
finish
