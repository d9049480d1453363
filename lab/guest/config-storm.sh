#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# config-storm.sh PROVIDER CLIENT: user space resets the buses below two ports again and again, by their config space, while
# these are removed and found again. Who writes there looks for what is below, which may go meanwhile.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

stop=/tmp/stop.$$
resets=/tmp/resets.$$
rounds=15

# Bridge Control: Secondary Bus Reset on, and off
reset_bus() {
	for word in '\103\000' '\003\000'; do
		printf "%b" "$word" | dd of="/sys/bus/pci/devices/$1/config" bs=2 seek=31 conv=notrunc 2>/dev/null || return 1
	done
}

hammer() {
	while [ ! -e $stop ]; do
		reset_bus "$1" && echo >>$resets
	done
}

# again: remove the ports with all that is below, and find them, and a provider, again
again() {
	status=0
	for port in $ports; do
		echo 1 >"/sys/bus/pci/devices/$port/remove" && [ ! -e "/sys/bus/pci/devices/$port" ] || status=1
	done
	echo 1 >/sys/bus/pci/rescan
	echo pci-p2pmem-stub >"/sys/bus/pci/devices/$provider/driver_override"
	echo "$provider" >/sys/bus/pci/drivers/pci-p2pmem-stub/bind
	return $status
}

plan 4
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
provider=$(drive_bdf "$1")
ports=
for bdf in "$provider" "$(drive_bdf "$2")"; do
	port=$(basename "$(dirname "$(readlink -f "/sys/bus/pci/devices/$bdf")")")
	ports="$ports $port"
	for _ in 1 2 3; do
		hammer "$port" &
	done
done
done=0
for _ in $(seq $rounds); do
	# What a reset has disturbed may not be found, or bound; the next round does.
	again 2>/dev/null && done=$((done + 1))
done
: >$stop
wait
echo "# $done of $rounds rounds, $(wc -l <$resets) resets of a bus"
[ $done -gt $((rounds / 3)) ]
result $? "ports have gone and come back"
[ "$(wc -l <$resets)" -gt $rounds ]
result $? "while their buses were reset"
again 2>/dev/null
again && [ "$(cat "/sys/bus/pci/devices/$provider/p2pmem/size")" -gt 0 ]
result $? "it provides memory again"
finish
