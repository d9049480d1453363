#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stub.sh PROVIDER DRIVE: the driver that registers any BAR: what it registers, what it refuses. PROVIDER is a
# device without another driver, whose BAR 2 has 64 MiB and whose BAR 0 is small; DRIVE an NVMe drive.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

driver=/sys/bus/pci/drivers/pci-p2pmem-stub
resources=/sys/module/pci_p2pmem_stub/parameters/resources
[ -e "$driver" ] || skip_all announce_bar "this kernel has no $driver"

# provides SIZE: what is said in p2pmem, - for nothing
provides() {
	size=$(cat "$device/p2pmem/size" 2>/dev/null || echo -)
	[ "$size" = "$1" ] || { echo "# provides $size bytes instead of $1"; return 1; }
}

# again RESOURCES SIZE: bound afresh with that parameter it registers so much; - is "refuses to be bound"
again() {
	[ ! -e "$device/driver" ] || echo "$bdf" >"$driver/unbind" || return 1
	provides - && echo "$1" >"$resources" || return 1
	if echo "$bdf" 2>/dev/null >"$driver/bind"; then
		provides "$2"
	else
		[ "$2" = - ] && provides - && [ ! -e "$device/driver" ]
	fi
}

# unparsable RANGES: not taken over, and what was there stays
unparsable() {
	was=$(cat "$resources")
	! echo "$1" 2>/dev/null >"$resources" && [ "$(cat "$resources")" = "$was" ]
}

# others NODE BDF: cannot be had while its driver has it
others() {
	echo pci-p2pmem-stub >"/sys/bus/pci/devices/$2/driver_override"
	! echo "$2" 2>/dev/null >"$driver/bind" || return 1
	echo >"/sys/bus/pci/devices/$2/driver_override"
	numbered new_id "/sys/bus/pci/devices/$2" && numbered remove_id "/sys/bus/pci/devices/$2" || return 1
	[ "$(basename "$(readlink "/sys/bus/pci/devices/$2/driver")")" = nvme ] &&
		dd if="$1" of=/dev/null bs=1M count=1 2>/dev/null
}

# numbered ACTION DEVICE: its vendor and device number are given to the driver, or taken away: new_id or remove_id
numbered() {
	echo "$(cat "$2/vendor") $(cat "$2/device")" >"$driver/$1"
}

# unnamed: it is no device of the driver's now, and cannot be bound
unnamed() {
	[ ! -e "$device/driver" ] || echo "$bdf" >"$driver/unbind" || return 1
	echo >"$device/driver_override"
	! echo "$bdf" 2>/dev/null >"$driver/bind" && [ ! -e "$device/driver" ]
}

# named: by driver_override, as it was
named() {
	echo pci-p2pmem-stub >"$device/driver_override" && echo "$bdf" >"$driver/bind" && provides $((64 * MIB))
}

MIB=1048576
plan 21
bdf=$(drive_bdf "$1")
device=/sys/bus/pci/devices/$bdf
provides $((64 * MIB)) && [ "$(cat "$device/p2pmem/published")" = 1 ]
result $? "without a word all of the largest prefetchable BAR"
again 2/0/0 $((64 * MIB))
result $? "a BAR by number"
again 2/16M $((48 * MIB))
result $? "all behind an offset"
again "2/2M/4M,$bdf/2/8M/6M,$bdf/2/0x1000000/2M" $((8 * MIB))
result $? "two pieces of this device, not what is for all others"
[ "$(cat "$resources")" = "2/0x200000/0x400000,$bdf/2/0x800000/0x600000,$bdf/2/0x1000000/0x200000" ]
result $? "which can be read back"
again 0000:ff:1f.7/2/2M/4M,2/32M $((32 * MIB))
result $? "another device's entry is none of ours"
for bad in 0 6 2/64M 2/62M/4M 2/1M/2M 2/0/18446744073709551615 2/0/4M,2/2M/2M; do
	again $bad -
	result $? "$bad cannot be registered"
done
again "" $((64 * MIB))
result $? "as it was at first"
unparsable x && unparsable 2/ && unparsable 2/0/y && unparsable 2/0/0/0 && unparsable 0000:01:00/2 &&
	unparsable 2/0,,2/0 && unparsable 2/0/16E && unparsable 4294967298 &&
	unparsable 2/0/99999999999999999999G && unparsable -4294967294
result $? "what cannot be read is not taken over"
many=2/0
for _ in $(seq 16); do many=$many,2/0; done
unparsable "$many" && dmesg | grep -q "resources: more than 16"
result $? "nor are more than 16 of them"
others "$(drive_node "$2")" "$(drive_bdf "$2")"
result $? "a device that another driver has stays with it"
unnamed
result $? "a device that nobody has named is left alone"
numbered new_id "$device" && provides $((64 * MIB))
result $? "new_id names it"
numbered remove_id "$device" && unnamed && provides -
result $? "and remove_id takes that back"
named
result $? "driver_override names it, too"
finish
