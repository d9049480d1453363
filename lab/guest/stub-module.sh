#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stub-module.sh FROM TO PROVIDER: the driver that registers any BAR, as a module (of another name, as it is built in as well,
# but not started): loaded with its parameter, and taken out while what it registered is mapped and used.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

MIB=1048576
driver=/sys/bus/pci/drivers/pci-p2pmem-stub
module=/sys/module/stub_module

copy() { p2p_copy --from "$from" --to "$to" --via "$provider" --bytes $MIB >/dev/null 2>&1; }
copies() {
	while [ -e "$driver" ]; do
		copy && : >/tmp/copied
	done
}
provides() { [ "$(cat "$device/p2pmem/size")" = "$1" ]; }

plan 7
[ ! -e $driver ] && insmod /lib/stub_module.ko resources=2/16M && [ -e $driver ]
result $? "loaded"
announce "$1" "$2" "$3" && announce_bar "$3"
result $? "it is registered"
from=$(drive_node "$1")
to=$(drive_node "$2")
provider=$(drive_bdf "$3")
device=/sys/bus/pci/devices/$provider
provides $((48 * MIB)) && [ "$(cat $module/parameters/resources)" = 2/0x1000000/0x0 ]
result $? "what its parameter says"
p2p_storm "$provider" &
storm=$!
copies &
copying=$!
until_ok [ -e /tmp/copied ] && rmmod stub_module
result $? "taken out while that is used"
wait $storm
result $? "those that had mapped it have ended, by SIGBUS or an error"
wait $copying
[ ! -e $driver ] && [ ! -e $module ] && [ ! -e "$device/p2pmem" ] && [ ! -e "$device/driver" ]
result $? "nothing of it is left"
insmod /lib/stub_module.ko && drive_bdf "$3" >/dev/null && provides $((64 * MIB)) && copy
result $? "and loaded again"
finish
