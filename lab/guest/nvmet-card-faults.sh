#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card-faults.sh MIB A PROVIDER SCENE...: what happens to a target whose card does DMA when memory, route, provider or
# card go away under a load that verifies what it reads. Scenes: pool, order, narrow, late, lossy, early, two, route, provider,
# card.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

load=
delay=/sys/module/dma_card/parameters/delay_us
narrow=/sys/module/dma_card/parameters/mask_bits
lose_every=/sys/module/wire/parameters/lose_every
lose=/sys/module/wire/parameters/lose
lose_rtu=/sys/module/wire/parameters/lose_rtu
config=/sys/kernel/config/nvmet
policy=/sys/module/pci_p2pdma/parameters/host_bridges

# load_begin DISK: write, read and compare, again and again
load_begin() {
	rm -f /tmp/stop
	: >/tmp/rounds
	(
		while [ ! -e /tmp/stop ]; do
			while [ -e /tmp/pause ]; do : >/tmp/paused; sleep 0.1; done
			round_trip "$1" || exit 1
			echo >>/tmp/rounds
		done
	) &
	load=$!
}
rounds() { wc -l </tmp/rounds; }
# goes_on: two more rounds, of which one began after this
goes_on() {
	some=$(($(rounds) + 2))
	# shellcheck disable=SC2317
	enough() { [ "$(rounds)" -ge "$some" ] || ! kill -0 "$load" 2>/dev/null; }
	tries=600 until_ok enough && [ "$(rounds)" -ge "$some" ]
}
# pause: the load has none of the memory until resume
pause() {
	rm -f /tmp/paused
	: >/tmp/pause
	until_ok [ -e /tmp/paused ] && until_ok whole
}
resume() { rm -f /tmp/pause; }
# load_end: all that it read was right
load_end() {
	: >/tmp/stop
	wait "$load"
}

grows() { before=$(stat "$1" "$2") && goes_on && more "$1" "$2" "$before"; }
in_ram() { echo $(($(stat "$1" ram_unreachable) + $(stat "$1" ram_gone))); }
empty() { [ "$(cat "$p2pmem/available")" = 0 ]; }

# begin NQN N: a target at wire N, and load by a client
begin() { serve "$1" "10.9.$2.1" 1 "$a" && one=$(client "$1" "$2") && disk=$(node "$one" 1) && load_begin "$disk" && grows "$1" requests; }

# Somebody else has all of the memory.
pool() {
	begin near 0
	result $? "pool: served from peer memory"
	pause
	size=$(($(cat "$p2pmem/available")))
	p2p_copy --from "$a" --to "$a" --via "$provider" --chunk "$size" --bytes "$size" >/dev/null 2>&1 &
	holder=$!
	until_ok empty && kill -STOP $holder && resume && grows near ram_pool && empty
	result $? "pool: somebody else has it all: in RAM, counted"
	resume
	kill -CONT $holder
	wait $holder
	grows near requests
	result $? "pool: and back in peer memory"
	load_end
	result $? "pool: all was right"
	stop "$one"
}

# wrong_bytes: what the drive has and should not
wrong_bytes() { dd if="$disk" bs=64k count=16 iflag=direct 2>/dev/null | cmp -l - /tmp/pattern | wc -l; }

# Stores that arrive after their completion: the drive reads what was there before.
order() {
	serve near 10.9.0.1 1 "$a" && one=$(client near 0) && disk=$(node "$one" 1) && round_trip "$disk"
	result $? "order: kept, and all is right"
	dd if=/dev/zero of="$disk" bs=64k count=16 oflag=direct 2>/dev/null
	echo 20000 >$delay
	dd if=/tmp/pattern of="$disk" bs=64k count=16 oflag=direct 2>/dev/null
	status=$?
	echo 0 >$delay
	sleep 1
	wrong=$(wrong_bytes)
	echo "# stores 20 ms after their completion: of 1048576 bytes written $wrong are wrong on the drive"
	[ $status = 0 ] && [ "$wrong" -gt 0 ] && round_trip "$disk"
	result $? "order: broken, and what was written with good status is wrong"
	stop "$one"
}

# The choice was made, and then the card does not reach that far: seen by nobody but the DMA API, at each command.
narrow() {
	begin near 0
	echo 31 >$narrow && goes_on && grows near ram_unreachable
	result $? "narrow: the card's mask is too small all at once: in RAM"
	# That a mask has become wider nobody is told, but of a policy.
	echo 64 >$narrow && echo >$policy && grows near requests
	result $? "narrow: and as it was again: in peer memory"
	load_end
	result $? "narrow: all was right"
	stop "$one"
}

# What the card has sent is lost, so it reads the memory again, after an outage that could not wait so long.
late() {
	serve near 10.9.0.1 1 "$a" && one=$(client near 0) && disk=$(node "$one" 1) && round_trip "$disk"
	had=$(stat near interrupted) answered=$(answered near)
	echo 1 >$lose
	dd if="$disk" of=/tmp/late bs=64k count=1 iflag=direct 2>/dev/null &
	reader=$!
	until_ok taken
	result $? "late: a read has peer memory, and its data do not arrive"
	sleep 0.3
	echo 1 >"/sys/bus/pci/devices/$provider/reset"
	echo 0 >$lose
	# The memory may well have kept them: what tells is that the host has asked again.
	wait $reader && cmp -n 65536 /tmp/late /tmp/pattern && more near interrupted "$had" &&
		[ "$(answered near)" -gt "$answered" ]
	result $? "late: sent after the provider was reset, it is no success; the host repeats it"
	stop "$one"
}
taken() { ! whole; }
answered() { echo $(($(stat "$1" requests) + $(stat "$1" ram_outage))); }

# Some packets are lost, what was behind them arrives all the same, and all of that is repeated.
lossy() {
	serve near 10.9.0.1 1 "$a" && one=$(client near 0) && disk=$(node "$one" 1) && card_mark "$near"
	echo 61 >$lose_every
	round_trip "$disk" && round_trip "$disk"
	status=$?
	echo 0 >$lose_every
	repeated=$(($(retries) - $(cat /tmp/retries)))
	echo "# $repeated retries"
	[ $status = 0 ] && [ $repeated -gt 0 ]
	result $? "lossy: of data that are sent again nothing is wrong"
	card_moved "$near" read_peer=2097152 write_peer=2097152 read_ram=0 failed=0
	result $? "lossy: and they are in peer memory"
	stop "$one"
}

# Connect comes before the target's CM knows that there is a connection, which it learns when it has asked again.
early() {
	echo 2 >$lose_rtu
	serve near 10.9.0.1 1 "$a" && one=$(client near 0) && round_trip "$(node "$one" 1)" && [ "$(cat $lose_rtu)" = 0 ]
	result $? "early: commands that come before the connection are executed when it is there"
	stop "$one"
}

# Two cards of one subsystem
two() {
	rdma_soft rxe client2 client2 && rdma_card rxe spare target2 "$(lab_ask where spare)" && serve two 10.9.0.1 1 "$a" &&
		nvmet-config.sh port 2 rdma 10.9.2.1 4420 two && one=$(client two 0) &&
		other=$(connect rdma 10.9.2.1 two 1 host_traddr=10.9.2.2) && settle "$(node "$other" 1)" &&
		[ "$(grep -c "^controller [0-9]* $provider" $config/subsystems/two/namespaces/1/p2pmem_stats)" = 2 ]
	result $? "two: one subsystem, two cards, the memory is chosen for both"
	card_mark "$near" && card_mark "$(lab_ask where spare)" && ram=$(stat two ram_unreachable) &&
		round_trip "$(node "$one" 1)" && round_trip "$(node "$other" 1)" && card_moved "$near" read_peer=1048576 write_peer=1048576 &&
		card_moved "$(lab_ask where spare)" read_peer=1048576 write_peer=1048576 && [ "$(stat two cpu_requests)" = 0 ] &&
		[ "$(stat two ram_unreachable)" = "$ram" ]
	result $? "two: and both move data in it"
	disconnect "$other"
	rdma link delete spare
	rdma link delete client2
	stop "$one"
}

route() {
	echo 8086:29c0 >$policy
	begin far 1 && card_mark "$far" && goes_on && [ "$(moved_by "$far" read_peer)" -gt 0 ]
	result $? "route: by way of a root complex, as the administrator says"
	echo 8086:29c0=none >$policy && goes_on && grows far ram_unreachable
	result $? "route: withdrawn under load: in RAM"
	echo 8086:29c0 >$policy && grows far requests
	result $? "route: and given back: in peer memory"
	load_end
	result $? "route: all was right"
	stop "$one"
	echo >$policy
}

# By the card that is left
provider() {
	which=near at=0
	[ -e /sys/class/infiniband/near ] || which=spare at=2
	begin $which $at && lab unplug "$name" && goes_on && [ ! -e "$p2pmem" ] && had=$(in_ram $which) && goes_on &&
		[ "$(in_ram $which)" -gt "$had" ]
	result $? "provider: unplugged under load: in RAM"
	load_end
	result $? "provider: all was right"
	stop "$one"
}

card() {
	serve near 10.9.0.1 1 "$a" && one=$(client near 0) && load_begin "$(node "$one" 1)" && goes_on && lab unplug near
	until_ok [ ! -e /sys/class/infiniband/near ] && [ ! -e "/sys/bus/pci/devices/$near" ]
	result $? "card: unplugged under load: it is gone"
	disconnect "$one"
	wait "$load"
	nvmet-config.sh clear
	[ ! -e "$p2pmem" ] || until_ok whole
	result $? "card: and all peer memory is free"
	rdma_card rxe spare target2 "$(lab_ask where spare)" && rdma_soft rxe client2 client2 && serve spare 10.9.2.1 1 "$a" &&
		one=$(client spare 2) && round_trip "$(node "$one" 1)"
	result $? "card: another takes over"
	stop "$one"
}
whole() { [ "$(cat "$p2pmem/available")" = "$(cat "$p2pmem/size")" ]; }

source=$2 name=$3
shift 3
tests_of() {
	case $1 in
	pool | route) echo 4 ;;
	narrow | card) echo 3 ;;
	early) echo 1 ;;
	*) echo 2 ;;
	esac
}
sum=3
for scene in "$@"; do
	sum=$((sum + $(tests_of "$scene")))
done
plan $sum
load_cards && wire 0 && wire 1 && wire 2 && rdma_soft rxe client0 client0 && rdma_soft rxe client1 client1
result $? "wires"
announce "$source" "$name" && announce_bar "$name"
result $? "drives and peer memory are there"
a=$(drive_node "$source")
provider=$(drive_bdf "$name")
p2pmem=/sys/bus/pci/devices/$provider/p2pmem
near=$(lab_ask where near) far=$(lab_ask where far)
make_pattern 1
rdma_card rxe near target0 "$near" && rdma_card rxe far target1 "$far"
result $? "cards"
for scene in "$@"; do
	"$scene"
done
finish
