#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# md.sh MIB PROVIDER A B C FAR: arrays of drives, and peer memory. FAR does not reach the provider.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
mib=$1
member=8	# of each

# build LEVEL ARGUMENT...: an array, which may resync yet. Data begin where a member does.
build() {
	level=$1
	shift
	case $level in
	1 | 10)	set -- "$@" --size="${member}M" --bitmap=internal --bitmap-chunk=64K ;;
	5)	set -- "$@" --size="${member}M" ;;
	esac
	mdadm --create $md --run --force --metadata=1.0 --level="$level" "$@" </dev/null >/tmp/mdadm.log 2>&1 ||
		{ sed 's/^/# /' /tmp/mdadm.log; return 1; }
}

# make LEVEL ARGUMENT...: an array that is in sync
make() { build "$@" && in_sync; }

# sync_speed KIB: how much of members is made equal per second
sync_speed() {
	for limit in min max; do
		echo "$1" >/proc/sys/dev/raid/speed_limit_$limit
	done
}

stop() { until_ok mdadm --quiet --stop $md && mdadm --quiet --zero-superblock "$@" 2>/dev/null; }

# healthy STATE: all members are in it, and none has lost a block
healthy() {
	grep -q "\[$1\]" /proc/mdstat && ! cat /sys/block/md0/md/dev-*/bad_blocks | grep -q . && return 0
	sed 's/^/# /' /proc/mdstat
	return 1
}

# through NAME: a copy to the array and one from it, and the beginning once more
through() {
	moves "$1.in" "$c" $md "$mib" && moves "$1.out" $md "$c" "$mib" && watched "$1.watched" "$c" $md
}

# reset_under_load TIMES: the provider's function is reset while an array is written to, which is the end of a program
# that has its memory mapped; more often if no write was refused half-way, which takes luck, on a slow machine above all
reset_under_load() {
	half_way=$(said "refused half-way: resync")
	for round in $(seq 25); do
		[ "$round" -le "$1" ] || [ "$(said "refused half-way: resync")" -le "$half_way" ] || break
		fio --name=load --filename=$md --direct=1 --rw=randwrite --bs=64k --size="${member}M" --iodepth=8 \
			--ioengine=io_uring --iomem="mmapshared:$memory" --time_based --runtime=20 --eta=never >/dev/null 2>&1 &
		pid=$!
		sleep 2
		echo 1 >"/sys/bus/pci/devices/$card/reset"
		wait $pid
	done
}

plan 32
announce "$2" "$3" "$4" "$5" "$6" && announce_bar "$2"
result $? "drives and peer memory are there"
card=$(drive_bdf "$2")
memory=/sys/bus/pci/devices/$card/p2pmem/allocate
a=$(drive_node "$3")
b=$(drive_node "$4")
c=$(drive_node "$5")
far=$(drive_node "$6")

make 0 --raid-devices=2 --chunk=64K "$a" "$b" && through raid0
result $? "raid0"
stop "$a" "$b"
make linear --raid-devices=2 "$a" "$b" && through linear
result $? "linear"
stop "$a" "$b"

make 1 --raid-devices=2 "$a" "$b"
result $? "raid1 is in sync"
through raid1 && equal "$a" "$b" && healthy UU
result $? "raid1: members equal"
load $md "$member" 3 && equal "$a" "$b"
result $? "raid1: io_uring, verified"
mdadm --quiet $md --fail "$b" && moves degraded "$c" $md "$mib"
result $? "raid1: a member has failed"
mdadm --quiet $md --remove "$b" && load $md "$member" 2 && mdadm --quiet $md --re-add "$b" && load $md "$member" 2 &&
	in_sync && healthy UU && equal "$a" "$b"
result $? "raid1: a member goes, and comes back under load"
echo repair >/sys/block/md0/md/sync_action && load $md "$member" 3 && in_sync && equal "$a" "$b"
result $? "raid1: resync beside peer memory"
reset_under_load 3
[ "$(said "refused half-way: resync")" -gt "$half_way" ]
result $? "raid1: the provider is reset: writes are refused half-way"
in_sync && healthy UU && equal "$a" "$b"
result $? "raid1: no member is failed for it, and they are equal again"
mdadm --quiet $md --add "$far" && mdadm --quiet --grow $md --raid-devices=3 && in_sync && healthy UUU &&
	refused $DRAIN "$c" $md "$mib" && equal "$a" "$far" && healthy UUU
result $? "raid1: a member is added that does not reach it: writes are refused"
moves far "$md" "$c" "$mib" && moves far2 "$md" "$c" "$mib"
result $? "raid1: reads go to the others"
mdadm --quiet $md --fail "$far" && mdadm --quiet $md --remove "$far" && moves near "$c" $md "$mib" && equal "$a" "$b"
result $? "raid1: it goes: writes pass"
stop "$a" "$b" "$far"

# new_mirror LEVEL: of a member that does not reach it, and one that does. Until they are equal, only the first is read.
new_mirror() {
	sync_speed 1
	build "$1" --raid-devices=2 "$far" "$a" && refused $FILL $md "$c" "$mib" && ! sync_ended
	result $? "raid$1: while it resyncs, reads are from the first member, which does not reach it: refused"
	sync_speed 200000
	in_sync
}

new_mirror 1
equal "$far" "$a"
result $? "raid1 of a member that reaches it and one that does not"
all=0
for _ in 1 2 3 4 5; do
	refused $DRAIN "$c" $md "$mib" || all=1
done
[ $all = 0 ] && equal "$a" "$far" && healthy UU
result $? "a write is on none of them"
! fio --name=nowait --filename=$md --direct=1 --rw=write --size=1M --bs=64k --ioengine=io_uring --iodepth=4 \
	--iomem="mmapshared:$memory" --eta=never >/tmp/fio.log 2>&1 && grep -q "err=$EREMOTEIO/" /tmp/fio.log &&
	equal "$a" "$far" && healthy UU
result $? "nor by io_uring: $(grep -m 1 -o 'err=[^:]*: [^:]*' /tmp/fio.log)"
moves mixed $md "$c" "$mib" && healthy UU
result $? "reads go to the one that does"
stop "$a" "$far"

# While it resyncs, members neither come nor go: what its bitmap says counts from the start
sync_speed 1
build 1 --raid-devices=2 "$a" --write-mostly "$b" --write-behind=256 &&
	[ "$(said "takes no peer memory: write-behind")" -gt 0 ] && refused $FILL $md "$c" "$mib" && ! sync_ended
result $? "write-behind refuses, and says why"
sync_speed 200000
in_sync
stop "$a" "$b"
behind=$(said "takes no peer memory: write-behind")
make 1 --raid-devices=2 "$a" --write-mostly "$b" && moves mostly "$c" $md "$mib" && echo 256 >/sys/block/md0/md/bitmap/backlog &&
	refused $FILL $md "$c" "$mib" && [ "$(said "takes no peer memory: write-behind")" -gt "$behind" ] &&
	echo 0 >/sys/block/md0/md/bitmap/backlog && moves mostly2 "$c" $md "$mib"
result $? "also when it is switched on later, until it is switched off"
stop "$a" "$b"
make 5 --raid-devices=3 --chunk=64K "$a" "$b" "$c" && refused $FILL $md "$a" 1 &&
	[ "$(said "takes no peer memory: the CPU computes parity")" -gt 0 ]
result $? "raid5 refuses, and says why"
stop "$a" "$b" "$c"

make 10 --raid-devices=2 "$a" "$b" && through raid10 && equal "$a" "$b" && healthy UU
result $? "raid10: copies equal"
load $md "$member" 3 && equal "$a" "$b"
result $? "raid10: io_uring, verified"
reset_under_load 3
[ "$(said "refused half-way: resync")" -gt "$half_way" ] && in_sync && healthy UU && equal "$a" "$b"
result $? "raid10: the provider is reset: copies are equal again"
stop "$a" "$b"
new_mirror 10
refused $DRAIN "$c" $md "$mib" && equal "$a" "$far" && healthy UU
result $? "raid10 of a member that reaches it and one that does not: a write is on none"
moves mixed10 $md "$c" "$mib" && healthy UU
result $? "reads go to the one that does"
stop "$a" "$far"
alone=0
for level in 1 10; do
	make $level --raid-devices=2 "$far" missing && refused $FILL $md "$c" "$mib" && healthy U_ || alone=1
	stop "$far"
done
[ $alone = 0 ]
result $? "with that one alone a read is refused, and is no read error"

member=2 mib=1	# less than the RAM disk has
make 1 --raid-devices=2 "$a" /dev/ram0 && refused $FILL $md "$c" "$mib" && [ "$(said "takes no peer memory: ram0")" -gt 0 ]
result $? "a mirror half in RAM refuses, and says why"
mdadm --quiet $md --fail /dev/ram0 && mdadm --quiet $md --remove /dev/ram0 && in_sync && moves alone "$c" $md "$mib"
result $? "without it, it takes peer memory"
mdadm --quiet $md --add /dev/ram0 && in_sync && refused $FILL $md "$c" "$mib"
result $? "with it, it does not"
stop "$a" /dev/ram0
finish
