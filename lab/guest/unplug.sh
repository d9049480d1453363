#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unplug.sh KEEP OTHER PROVIDER: have the host pull PROVIDER out while its memory is mapped, while it is being mapped
# and unmapped all the time, and with I/O on it in flight. A page or reference that did not come back would hold up
# the removal for ever.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

copy() {
	p2p_copy --from "$keep" --to "$other" --via "$provider" --bytes "$1" 2>&1 | sed 's/^/# /'
}

plan 6
announce "$1" "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
keep=$(drive_node "$1")
other=$(drive_node "$2")
provider=$(drive_bdf "$3")
copy 1048576
[ "$(cat "/sys/bus/pci/devices/$provider/p2pmem/available")" -gt 0 ]
result $? "its memory has been used"
p2p_storm "$provider" &
storm=$!
while [ -e "/sys/bus/pci/devices/$provider" ]; do
	copy 8388608
done &
copies=$!
sleep 1
lab unplug "$3"
for _ in $(seq 300); do
	[ -e "/sys/bus/pci/devices/$provider" ] || break
	sleep 0.1
done
[ ! -e "/sys/bus/pci/devices/$provider" ]
result $? "$3 is gone"
wait $storm
result $? "those that had mapped it have ended, by SIGBUS or an error"
wait $copies
result $? "the copies have ended"
dd if="$keep" of=/dev/null bs=1M count=4 2>/dev/null
result $? "$1 still reads"
finish
