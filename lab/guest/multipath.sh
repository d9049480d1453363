#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# multipath.sh MIB PROVIDER DRIVE OTHER: DRIVE has three ports, "second" beside its own one below the provider's
# switch, "distant" without a route to the provider. What its head does with peer memory while ports go, are reset
# and come back.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

mib=$1
member=4	# of the mirror
mkdir -p /run/mdadm
export MDADM_NO_UDEV=1

# port NAME: its controller's folder
port() { echo "/sys/bus/pci/devices/$(lab_ask where "$1")"/nvme/nvme*; }

# served NAME: sectors that have been read and written by this port, without flushes, which are writes of none
served() {
	# shellcheck disable=SC2046	# words
	set -- $(cat "$(port "$1")"/nvme*n1/stat)
	echo $(($3 + $7))
}

live() { [ "$(cat "$(port "$1")/state" 2>/dev/null)" = live ]; }

# idle NAME COMMAND...: it works, and takes no I/O to this port
idle() {
	spared=$1
	had=$(served "$spared")
	shift
	"$@" && [ "$(served "$spared")" = "$had" ]
}

# busy NAME COMMAND...: it works, and takes some to this port
busy() {
	used=$1
	had=$(served "$used")
	shift
	"$@" && [ "$(served "$used")" != "$had" ]
}

by_ram() { p2p_copy --from "$other" --to "$head" --via ram --bytes $((mib << 20)) >/dev/null; }

plan 19
announce "$2" "$3" "$4" && announce_bar "$2"
result $? "drives and peer memory are there"
card=$(drive_bdf "$2")
memory=/sys/bus/pci/devices/$card/p2pmem/allocate
head=$(drive_node "$3")
other=$(drive_node "$4")
until_ok live second && until_ok live distant
result $? "$head has three ports"
p2ptopo explain "$head" "$card" >/tmp/explained && sed 's/^/# /' /tmp/explained &&
	grep -q "(multipath), of nvme.*: .* .* ..*" /tmp/explained && grep -q ": 2 of the 3 functions that it is on reach $card" /tmp/explained
result $? "p2ptopo: two of them reach the memory"
[ "$(grep -c "^pci 0000:" "/sys/kernel/debug/block/${head##*/}/peer_memory")" = 3 ]
result $? "debugfs: all three move its data"
moves in "$other" "$head" "$mib"
result $? "a copy to the head"
moves out "$head" "$other" "$mib"
result $? "a copy from the head"
watched watched "$other" "$head"
result $? "once more, with all accesses traced"
echo round-robin >"$(echo /sys/class/nvme-subsystem/*/"$(basename "$head")")/../iopolicy"
busy distant by_ram
result $? "in turn, data in RAM take the distant port"
idle distant attempt "$other" "$head" "$mib" --phase turns >/dev/null
result $? "data in peer memory do not"

load "$head" 1 12 &
pid=$!
sleep 1
lab unplug "$3"
wait $pid
result $? "a port is pulled out under load"
idle distant load "$head" 1 2
result $? "its neighbour does it all"
load "$head" 1 5 &
pid=$!
sleep 1
echo 1 >"$(port second)/device/reset"
wait $pid
result $? "the only port that reaches it is reset under load"
load "$head" 1 20 >/dev/null &
pid=$!
sleep 1
# Nothing gets through the switch port above it any more.
printf '\000' | dd of="$(readlink -f "$(port second)/device")/../config" bs=1 seek=4 conv=notrunc 2>/dev/null
echo 1 >"$(port second)/reset_controller" 2>/dev/null
! wait $pid && grep -q "error=Remote I/O error" /tmp/fio.log
result $? "and dies in a reset: what has waited for it is refused"
lab unplug second
refused $FILL "$head" "$other" "$mib" && refused $DRAIN "$other" "$head" "$mib"
result $? "without a port that reaches it: refused"
live distant && busy distant by_ram
result $? "that is no fault of the distant port"
lab replug_port "$3"
until_ok live "$3" && sleep 1 && moves again "$other" "$head" "$mib"
result $? "a port comes back: a copy"
live distant && [ "$(said "failing I/O")" = 0 ]
result $? "no I/O failed for want of a path"

mdadm --create $md --run --force --metadata=1.0 --level=1 --size="${member}M" --raid-devices=2 --assume-clean "$head" "$other" \
	</dev/null >/tmp/mdadm.log 2>&1 && P2P_PROVIDER=$card p2p_stress $md "$member" /tmp/state >/dev/null
result $? "a mirror of this drive and another one"
P2P_PROVIDER=$card p2p_stress $md "$member" /tmp/state /tmp/stop >/tmp/stress 2>&1 &
pid=$!
for _ in 1 2 3 4; do
	sleep 1
	echo 1 >"$(port "$3")/reset_controller"
done
: >/tmp/stop
wait $pid && grep -q " refused=0 .* wrong=0" /tmp/stress && in_sync && equal "$head" "$other"
result $? "the only port that reaches it is reset under load: $(cat /tmp/stress)"
mdadm --quiet --stop $md
finish
