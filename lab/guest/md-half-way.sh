#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# md-half-way.sh PROVIDER A B C: mirrors of A and B, of which B is slow. The provider is reset when a write is on A and not
# yet on B, which refuses it then, as what the memory held may be lost; or when a read waits.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
member=4	# MiB of each
kib=64
slow=/dev/dm-0

reset() { echo 1 >"/sys/bus/pci/devices/$card/reset"; }

# slow_down READS WRITES: how long B makes them wait, in ms
slow_down() {
	echo "0 16384 delay $b 0 $1 $b 0 $2" | dmsetup load lab && dmsetup suspend --nolockfs lab &&
		dmsetup resume lab --noudevsync --noudevrules
}

start_of() { dd if="$1" bs=${kib}k count=1 iflag=direct 2>/dev/null | sha256sum; }
changed() { [ "$(start_of "$a")" != "$had" ]; }

# refused_late STEP: the copy that is under way fails there, as peer memory does
refused_late() {
	wait $worker
	status=$?
	sed 's/^/# /' /tmp/copy
	[ $status = "$1" ] && grep -q "errno $EREMOTEIO" /tmp/copy
}

# half_way: a write from peer memory of what is not there yet, which B refuses when A has it
half_way() {
	had=$(start_of "$a") before=$(said "refused half-way: resync")
	dd if=/dev/urandom of="$c" bs=${kib}k count=1 oflag=direct 2>/dev/null
	slow_down 0 3000
	p2p_copy --from "$c" --to $md --via "$card" --bytes $((kib << 10)) >/tmp/copy 2>&1 &
	worker=$!
	# Superblock and bitmap come first, and B is slow with these, too
	tries=300 until_ok changed && reset && refused_late $DRAIN && slow_down 0 0 &&
		[ "$(said "refused half-way: resync")" -gt "$before" ]
}

differ() { [ "$(start_of "$a")" != "$(start_of $slow)" ]; }

healthy() {
	grep -q "\[UU\]" /proc/mdstat && ! cat /sys/block/md0/md/dev-*/bad_blocks | grep -q . && return 0
	sed 's/^/# /' /proc/mdstat
	return 1
}

# over: no write is under way any more, for the array or its bitmap
over() { [ "$(cat /sys/block/md0/md/array_state)" = clean ] && grep -q "bitmap: 0/" /proc/mdstat; }

# equal_again: one sync may be followed by another
equal_again() { in_sync && in_sync && healthy && equal "$a" $slow; }

# all_the_same: what many read at once
all_the_same() {
	rm -f /tmp/read.*
	for reader in 1 2 3 4; do
		for _ in $(seq 10); do
			start_of $md
		done >/tmp/read.$reader &
		readers="${readers:-} $!"
	done
	# shellcheck disable=SC2086	# numbers
	wait $readers
	readers=
	[ "$(cat /tmp/read.* | sort -u | wc -l)" = 1 ]
}

plan 17
announce "$1" "$2" "$3" "$4"
result $? "drives and peer memory are there"
card=$(drive_bdf "$1")
a=$(drive_node "$2")
b=$(drive_node "$3")
c=$(drive_node "$4")
echo "0 16384 delay $b 0 0 $b 0 0" | dmsetup create lab --noudevsync --noudevrules

for level in 1 10; do
	mdadm --create $md --run --force --metadata=1.0 --level=$level --size=${member}M --bitmap=internal \
		--bitmap-chunk=64K --raid-devices=2 "$a" $slow </dev/null >/tmp/mdadm.log 2>&1 && in_sync && equal "$a" $slow
	result $? "raid$level is in sync"
	echo frozen >/sys/block/md0/md/sync_action
	half_way && differ && healthy
	result $? "raid$level: a write is refused half-way: it fails, no member does"
	all_the_same && differ
	result $? "raid$level: while the members differ, reads are from one of them"
	echo idle >/sys/block/md0/md/sync_action
	in_sync && healthy && equal "$a" $slow && tries=300 until_ok over
	result $? "raid$level: they are equal again, and the write is over"

	echo frozen >/sys/block/md0/md/sync_action
	half_way && differ && echo check >/sys/block/md0/md/sync_action && equal_again
	result $? "raid$level: nor does a check that is asked for take them for equal"
	echo 0 >/sys/block/md0/md/sync_max && echo check >/sys/block/md0/md/sync_action && half_way && differ &&
		! sync_ended && echo max >/sys/block/md0/md/sync_max && equal_again
	result $? "raid$level: nor one that is under way"

	echo frozen >/sys/block/md0/md/sync_action
	half_way && differ && until_ok mdadm --quiet --stop $md && mdadm --examine "$a" | grep "State : active" | sed 's/^/# /' &&
		mdadm --quiet --assemble --run $md "$a" $slow </dev/null && in_sync && healthy && equal "$a" $slow
	result $? "raid$level: nor is an array clean that is stopped before, and it resyncs when it is there again"

	mdadm --quiet $md --fail "$a" && holds=$(digest $slow 0 $member) && slow_down 3000 0
	p2p_copy --from $md --to "$c" --via "$card" --bytes $((kib << 10)) >/tmp/copy 2>&1 &
	worker=$!
	sleep 1
	before=$(dmesg | wc -l)
	reset && refused_late $FILL && slow_down 0 0 && grep -q "\[_U\]" /proc/mdstat &&
		! dmesg | tail -n +$((before + 1)) | grep "read error\|rescheduling\|error, dev\|half-way" &&
		[ "$(digest $slow 0 $member)" = "$holds" ]
	result $? "raid$level: a read that waits is refused, and is no read error"
	until_ok mdadm --quiet --stop $md
	mdadm --quiet --zero-superblock "$a" $slow
done
finish
