#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stack-faults.sh ROUNDS SEED PROVIDER A B C FAR: in each round faults at random come over a mirror whose pages are written
# from peer memory and read into it, and compared, all the time: the provider or a member is reset, a member is failed or
# pulled out, the route of member FAR, which the administrator has allowed, is withdrawn, a repair begins. Then what was
# taken away is given back, and as soon as md says so all copies have to be equal, and what was written is there. Half of the
# rounds with raid1, half with raid10. SEED chooses the faults.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1 tries=200
mkdir -p /run/mdadm
param=/sys/module/pci_p2pdma/parameters/host_bridges
rounds=$1 seed=$2 provider=$3
member=4	# of each
stop=/tmp/stop state=/tmp/state

# roll NUMBER: one below it, in $rolled
roll() {
	seed=$((seed * 1103515245 + 12345 & 0x7fffffff))
	rolled=$(((seed >> 16) % $1))
}

# node NAME, bdf NAME: of a member
node() { eval "echo \$node_$1"; }
bdf() { eval "echo \$bdf_$1"; }

reset() { echo 1 >"/sys/bus/pci/devices/$1/reset"; }
routes() { echo "$1" >$param; }
faulty() { grep -q faulty "/sys/block/md0/md/dev-$1/state" 2>/dev/null; }
not_there() { [ ! -e "/sys/bus/pci/devices/$1" ]; }

# one_of: a member that is there, in $chosen
one_of() {
	# shellcheck disable=SC2086	# names
	set -- $members
	roll $#
	shift "$rolled"
	chosen=$1
	[ "$chosen" != "$out" ] || one_of
}

# pull_out NAME: md is not told: it finds out by an error, of what it writes itself if not of data
pull_out() {
	slot=$(slot_of "$(bdf "$1")")
	lab attention "$1"
	# The button has five seconds in which it can be pressed again: spare them.
	echo 0 2>/dev/null >"$slot/power"
	until_ok not_there "$(bdf "$1")" && until_ok faulty "$(basename "$(node "$1")")" && pulled=$slot
}

# give_back: the member that is out, as soon as md lets go of it
give_back() {
	until_ok mdadm --quiet $md --remove "$([ -z "$pulled" ] && node "$out" || echo detached)" 2>/dev/null || return 1
	if [ -n "$pulled" ]; then
		lab replug_gone "$out"
		echo 1 2>/dev/null >"$pulled/power"
		eval "node_$out=$(drive_node "$out")" && eval "bdf_$out=$(drive_bdf "$out")"
	fi
	mdadm --quiet $md --re-add "$(node "$out")" 2>/dev/null || mdadm --quiet $md --add "$(node "$out")" || return 1
	out='' pulled=''
}

fault() {
	roll 9
	case $rolled in
	0 | 7 | 8)
		said="$said provider-reset" resets=$((resets + 1))
		reset "$card" ;;
	1 | 2)	one_of
		said="$said reset-$chosen"
		reset "$(bdf "$chosen")" ;;
	3)	[ -n "$withdrawn" ] && withdrawn='' || withdrawn=yes
		said="$said ${withdrawn:+no-}route"
		routes "$bridge=$([ -n "$withdrawn" ] && echo none || echo reads+writes)" ;;
	4)	said="$said repair"
		echo repair 2>/dev/null >/sys/block/md0/md/sync_action || true ;;
	5 | 6)	if [ -n "$out" ]; then
			said="$said back"
			give_back
			return
		fi
		one_of
		out=$chosen
		if [ "$rolled" = 5 ]; then
			said="$said fail-$out"
			mdadm --quiet $md --fail "$(node "$out")"
		else
			said="$said pull-$out"
			pull_out "$out"
		fi ;;
	esac
}

# compared: the copies of each place, in the order of members
compared() {
	# shellcheck disable=SC2046,SC2086	# words
	set -- $(for name in $members; do digest "$(node $name)" 0 $member; done)
	case $level in
	1)	[ "$1" = "$2" ] && [ "$2" = "$3" ] ;;
	10)	[ "$1" = "$2" ] && [ "$3" = "$4" ] ;;
	esac
}

in_sync_again() {
	# Nothing is about to begin either
	for _ in 1 2 3; do
		until_ok sync_ended || return 1
		sleep 0.1
	done
	grep -q "\[U*\]" /proc/mdstat && ! cat /sys/block/md0/md/dev-*/bad_blocks | grep -q .
}

wrong() { echo "# round $round ($said): $1"; sed 's/^/# /' /proc/mdstat; return 1; }

one_round() {
	said='' resets=0
	rm -f $stop
	P2P_PROVIDER=$card p2p_stress $md "$mib" $state $stop >/tmp/load 2>&1 &
	load=$!
	roll 3
	for _ in $(seq 0 "$rolled"); do
		roll 5
		sleep 0.$((rolled + 1))
		fault || { wrong "cannot be done"; return 1; }
	done
	sleep 0.2
	[ -z "$withdrawn" ] || routes "$bridge=reads+writes"
	withdrawn=''
	[ -z "$out" ] || give_back || { wrong "$out cannot be given back"; return 1; }
	: >$stop
	wait $load || { sed 's/^/# /' /tmp/load; wrong "load"; return 1; }
	in_sync_again || { wrong "not in sync"; return 1; }
	compared || { wrong "copies differ"; return 1; }
	echo "# round $round ($said): $(cat /tmp/load)"
	[ $resets != 0 ] || grep -q " wild=0 " /tmp/load || { wrong "neither old nor new"; return 1; }
	P2P_PROVIDER=$card p2p_stress $md "$mib" $state >/tmp/load 2>&1 || { sed 's/^/# /' /tmp/load; wrong "data"; }
}

# mirror LEVEL NAME...: of these members, in sync
mirror() {
	level=$1
	shift
	members=$* out='' pulled='' withdrawn=''
	mib=$((level == 10 ? 2 * member : member))
	rm -f $state
	# shellcheck disable=SC2046,SC2086	# names
	mdadm --create $md --run --force --metadata=1.0 --level="$level" --size="${member}M" --bitmap=internal \
		--bitmap-chunk=64K --raid-devices=$# $(for name in $members; do node $name; done) </dev/null >/tmp/mdadm.log 2>&1 ||
		{ sed 's/^/# /' /tmp/mdadm.log; return 1; }
	in_sync && P2P_PROVIDER=$card p2p_stress $md "$mib" $state >/tmp/load 2>&1
}

# all_rounds: as many as there should be for this mirror
all_rounds() {
	done=0
	for _ in $(seq $((rounds / 2))); do
		round=$((round + 1))
		one_round || return 1
		done=$((done + 1))
	done
}

plan $((5 + (rounds >= 50)))
echo "# seed $seed"
announce "$3" "$4" "$5" "$6" "$7"
result $? "drives and peer memory are there"
card=$(drive_bdf "$provider")
for name in "$4" "$5" "$6" "$7"; do
	eval "node_$name=$(drive_node "$name")"
	eval "bdf_$name=$(drive_bdf "$name")"
done
read -r vendor </sys/bus/pci/devices/0000:00:00.0/vendor
read -r device </sys/bus/pci/devices/0000:00:00.0/device
bridge=${vendor#0x}:${device#0x}
round=0
routes "$bridge=reads+writes"
for level in 1 10; do
	case $level in
	1)	mirror 1 "$4" "$5" "$7" ;;
	10)	mirror 10 "$4" "$5" "$6" "$7" ;;
	esac
	result $? "raid$level of members that all reach the memory"
	all_rounds
	result $? "raid$level: $done of $((rounds / 2)) rounds"
	until_ok mdadm --quiet --stop $md
	# shellcheck disable=SC2046,SC2086	# names
	mdadm --quiet --zero-superblock $(for name in $members; do node $name; done)
done
half=$(said "refused half-way: resync")
echo "# refused half-way: in the log $half times"
if [ "$rounds" -ge 50 ]; then
	[ "$half" -gt 0 ]
	result $? "writes were refused half-way"
fi
finish
