#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unplug.sh KEEP OTHER LENDER: use the memory that LENDER lends, then have the host pull it out.
# A page or reference that did not come back would hold up the removal for ever.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

plan 4
announce "$1" "$2" "$3" && lend "$3"
result $? "drives and lent memory are there"
keep=$(drive_node "$1")
lender=$(drive_bdf "$3")
p2p_copy --from "$keep" --to "$(drive_node "$2")" --via "$lender" --bytes 1048576 | sed 's/^/# /'
[ "$(cat "/sys/bus/pci/devices/$lender/p2pmem/available")" -gt 0 ]
result $? "its memory has been used"
lab unplug "$3"
for _ in $(seq 100); do
	[ -e "/sys/bus/pci/devices/$lender" ] || break
	sleep 0.1
done
[ ! -e "/sys/bus/pci/devices/$lender" ]
result $? "$3 is gone"
dd if="$keep" of=/dev/null bs=1M count=4 2>/dev/null
result $? "$1 still reads"
finish
