#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stack-change.sh PROVIDER A B C: what a stack is made of becomes another while a write of peer memory waits in it, or
# below where it is asked for. Such a write is refused before anybody has a part of it.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
member=4	# MiB of each
length=$((member << 11))

# make NODE LEVEL ARGUMENT...: an array, in sync
make() {
	array=$1 level=$2
	shift 2
	[ "$level" = linear ] || set -- --size="${member}M" --assume-clean "$@"
	mdadm --create "$array" --run --force --metadata=1.0 --level="$level" "$@" </dev/null >/tmp/mdadm.log 2>&1 && return 0
	sed 's/^/# /' /tmp/mdadm.log
	return 1
}

end() {
	array=$1
	shift
	until_ok mdadm --quiet --stop "$array" && mdadm --quiet --zero-superblock "$@" 2>/dev/null
}

# table NAME LINE, swap NAME LINE: a device with this table, another table for it
table() { echo "$2" | dmsetup create "$1" --noudevsync --noudevrules; }
swap() {
	echo "$2" | dmsetup load "$1" && dmsetup suspend --nolockfs "$1" && dmsetup resume "$1" --noudevsync --noudevrules
}

# takes NODE ANSWER: whether it takes peer memory, as debugfs has it
takes() { [ "$(grep takes "/sys/kernel/debug/block/${1#/dev/}/peer_memory")" = "takes peer memory: $2" ]; }

# waits NODE: a write of peer memory is under way, and will be for a while. What is there is known.
waits() {
	before=$(digest "$1" 0 1)
	attempt "$c" "$1" 1 >/tmp/copy 2>&1 &
	worker=$!
	sleep 2
	[ -d /proc/$worker ]
}

# refused_late NODE: that write is refused, and has changed nothing
refused_late() {
	wait $worker
	status=$?
	sed 's/^/# /' /tmp/copy
	[ $status = "$DRAIN" ] && grep -q "errno $EREMOTEIO" /tmp/copy && [ "$(digest "$1" 0 1)" = "$before" ]
}

# none_has_it: a write to the mirror is refused, before a member has it
none_has_it() {
	half_way=$(said "refused half-way")
	refused $DRAIN "$c" $md 1 && equal "$a" "$b" && [ "$(said "refused half-way")" = "$half_way" ] && ! grep -q "^md0 .*(F)" /proc/mdstat
}

clean() { for disk in "$@"; do dd if=/dev/zero of="$disk" bs=1M count=$((member + 1)) oflag=direct 2>/dev/null; done; }

plan 8
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
card=$(drive_bdf "$1")
a=$(drive_node "$2")
b=$(drive_node "$3")
c=$(drive_node "$4")
clean "$a" "$b"

make $md 1 --raid-devices=2 "$a" "$b"
suspended=/sys/block/md0/md/suspend
echo 2048 >${suspended}_hi
waits $md && echo raid5 >/sys/block/md0/md/level && echo 0 >${suspended}_hi && refused_late $md && takes $md no
result $? "a mirror becomes a raid5"
echo 0 >${suspended}_hi
end $md "$a" "$b"

table lab "0 $length multipath 0 0 1 1 round-robin 0 1 1 $a 1"
/bin/losetup /dev/loop0 "$b"
dmsetup suspend --noflush --nolockfs lab
attempt "$c" /dev/dm-0 1 >/tmp/copy 2>&1 &
worker=$!
sleep 2
before=$(digest "$b" 0 1)
[ -d /proc/$worker ] && echo "0 $length multipath 0 0 1 1 round-robin 0 1 1 /dev/loop0 1" | dmsetup load lab &&
	dmsetup resume lab --noudevsync --noudevrules && refused_late "$b" && takes /dev/dm-0 no
result $? "the path of a multipath becomes one that does not take it"
gone lab
losetup -d /dev/loop0

table inner "0 $((length + 2048)) linear $b 0"
table outer "0 $((length + 2048)) linear /dev/dm-0 0"
make $md 1 --raid-devices=2 "$a" /dev/dm-1 && attempt "$c" $md 1 >/dev/null && takes $md yes &&
	swap inner "0 $((length + 2048)) delay $b 0 0" && attempt "$c" $md 1 >/dev/null && takes /dev/dm-1 yes &&
	swap inner "0 $((length + 2048)) flakey $b 0 60 0" && none_has_it && takes /dev/dm-1 "no, dm-0 below does not" && takes $md "no, dm-0 below does not" &&
	swap inner "0 $((length + 2048)) linear $b 0" && attempt "$c" $md 1 >/dev/null && equal "$a" "$b" && takes $md yes
result $? "what is below a member's table"
end $md "$a" /dev/dm-1
gone outer
gone inner

make /dev/md1 1 --raid-devices=2 --bitmap=internal --write-mostly "$b" missing && table outer "0 $length linear /dev/md1 0" &&
	member=3 make $md 1 --raid-devices=2 "$a" /dev/dm-0 && attempt "$c" $md 1 >/dev/null &&
	echo 256 >/sys/block/md1/md/bitmap/backlog && member=3 none_has_it && takes $md "no, md1 below does not" &&
	echo 0 >/sys/block/md1/md/bitmap/backlog && attempt "$c" $md 1 >/dev/null && takes $md yes
result $? "write-behind of a mirror below a member's table"
end $md "$a" /dev/dm-0
gone outer
end /dev/md1 "$b"

make $md linear --raid-devices=2 "$a" "$b" && takes $md yes && mdadm --quiet --grow $md --add /dev/ram0 && takes $md no &&
	[ "$(said "md0: takes no peer memory: ram0 does not")" -gt 0 ]
result $? "a linear array grows"
end $md "$a" "$b" /dev/ram0

make $md 1 --raid-devices=2 "$a" --write-mostly "$b" && takes $md yes &&
	mdadm --quiet --grow $md --bitmap=internal --write-behind=256 && takes $md no && refused $FILL $md "$c" 1
result $? "a bitmap with write-behind is added"
end $md "$a" "$b"

# Without a bitmap, and never marked clean, md writes nothing by itself by which it would find out
make $md 1 --raid-devices=2 "$a" "$b" && echo 0 >/sys/block/md0/md/safe_mode_delay && attempt "$c" $md 1 >/dev/null &&
	echo 1 >"/sys/bus/pci/devices/$(drive_bdf "$3")/remove" && attempt "$c" $md 1 && grep -q "\[U_\]" /proc/mdstat &&
	[ "$(digest "$c" 0 1)" = "$(digest "$a" 0 1)" ]
result $? "a member is taken out: the other one is written, and it is failed"
finish
