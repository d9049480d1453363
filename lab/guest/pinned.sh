#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pinned.sh FROM PROVIDER: the host holds a read of drive FROM into PROVIDER's memory back, and meanwhile PROVIDER goes:
# its driver is unbound, then it is pulled out. Its removal waits for the read, and no longer.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

export tries=300	# of until_ok

gone() { [ ! -e "$1" ]; }
dead() { ! kill -0 "$1" 2>/dev/null; }

in_flight() {
	read -r reads _ <"/sys/block/${from##*/}/inflight"
	[ "$reads" -gt 0 ]
}

# The host lets no request of the drive pass but the first: the second read is what is held.
begin() {
	lab hold "$1"
	p2p_copy --from "$from" --to "$from" --via "$provider" --bytes 2097152 >/tmp/copy 2>&1 &
	copy=$!
	until_ok in_flight && sleep 1 && in_flight
	result $? "a read into peer memory is in flight"
}

# waits PID: it is there a while later, and so is the read; the memory is nobody's any more
waits() {
	until_ok gone "$device/p2pmem" && sleep 1 && ! dead "$1" && in_flight
}

end() {
	lab release "$1"
	wait $copy
	# It was read, but there is no memory any more to write it from.
	result $((! $?)) "the read has ended: $(cat /tmp/copy)"
	! grep "read /dev" /tmp/copy
	result $? "without an error"
}

plan 13
announce "$1" "$2" && announce_bar "$2"
result $? "drive and peer memory are there"
from=$(drive_node "$1")
provider=$(drive_bdf "$2")
device=/sys/bus/pci/devices/$provider
driver=$(readlink -f "$device/driver")
free=$(cat "$device/p2pmem/available")

begin "$1"
echo "$provider" >"$driver/unbind" &
unbind=$!
waits $unbind
result $? "unbinding the provider waits for it"
until_ok sh -c 'dmesg | grep -q "waits for [1-9][0-9]* bytes of peer memory"'
result $? "and says so"
end "$1"
until_ok dead $unbind && [ ! -e "$device/driver" ]
result $? "then the provider is unbound"
echo "$provider" >"$driver/bind"
drive_bdf "$2" >/dev/null && [ "$(cat "$device/p2pmem/available")" = "$free" ]
result $? "and can be bound again, nothing lost"

begin "$1"
lab attention "$2"
(until_ok gone "$device") &
removal=$!
waits $removal
result $? "removal of the provider waits for it"
end "$1"
wait $removal
result $? "then the provider is gone"
finish
