#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-queues.sh MIB PROVIDER: I/O of a drive whose submission queues are in its own CMB. Whoever sees the
# addresses that the drive was told compares them with the BAR: behind an IOMMU, too, they are no IOVAs.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

plan 4
announce "$2" && announce_bar "$2"
result $? "drive and peer memory are there"
p2pmem=/sys/bus/pci/devices/$(drive_bdf "$2")/p2pmem
[ "$(cat "$p2pmem/available")" -lt "$(cat "$p2pmem/size")" ]
result $? "its queues have taken memory"
node=$(drive_node "$2")
echo "# digest $(digest "$node" 0 "$1")"
dd if=/dev/urandom of="$node" bs=1M seek="$1" count="$1" conv=fsync 2>/dev/null
result $? "it reads and writes"
bdf=$(drive_bdf "$2")
echo "$bdf" >/sys/bus/pci/drivers/nvme/unbind && echo "$bdf" >/sys/bus/pci/drivers/nvme/bind && until_ok drive_node "$2" >/dev/null &&
	[ "$(cat "$p2pmem/available")" -lt "$(cat "$p2pmem/size")" ] && digest "$(drive_node "$2")" 0 1 >/dev/null
result $? "unbound and bound again, too"
finish
