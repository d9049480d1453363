#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# dm.sh MIB PROVIDER A B C FAR: device-mapper tables over drives, and peer memory. FAR does not reach the provider.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

mib=$1
dm=/dev/dm-0

# table LINE...: a device with this table, in sectors. Each line as dmsetup has it
table() {
	printf '%s\n' "$@" | dmsetup create lab --noudevsync --noudevrules >/tmp/dm.log 2>&1 && return 0
	sed 's/^/# /' /tmp/dm.log
	return 1
}

# swap LINE...: another table for the device, while it is in use
swap() {
	printf '%s\n' "$@" | dmsetup load lab && dmsetup suspend --nolockfs lab && dmsetup resume lab --noudevsync --noudevrules
}

# through NAME: a copy to it and one from it, and the beginning once more
through() {
	moves "$1.in" "$c" $dm "$mib" && moves "$1.out" $dm "$c" "$mib" && watched "$1.watched" "$c" $dm
}

# refuses TARGET: the whole device, and the log says that it is for this one
refuses() {
	refused $FILL $dm "$c" "$mib" && [ "$(said "takes no peer memory: $1 does not pass it on")" -gt 0 ]
}

plan 19
announce "$2" "$3" "$4" "$5" "$6" && announce_bar "$2"
result $? "drives and peer memory are there"
card=$(drive_bdf "$2")
memory=/sys/bus/pci/devices/$card/p2pmem/allocate
a=$(drive_node "$3")
b=$(drive_node "$4")
c=$(drive_node "$5")
far=$(drive_node "$6")
crypt="crypt aes-cbc-plain64 $(printf '%032d' 1) 0 $a 0"

table "0 16384 linear $a 0" && through linear
result $? "linear"
load $dm 4 5 &
pid=$!
swapped=0
for _ in 1 2 3 4 5 6 7 8; do
	swap "0 16384 linear $a 0" && swapped=$((swapped + 1))
	sleep 0.2
done
wait $pid && [ $swapped = 8 ]
result $? "its table is swapped under load"
load $dm 4 20 &
pid=$!
sleep 3
swap "0 16384 $crypt" && ! wait $pid && grep -q "error=Remote I/O error" /tmp/fio.log && refuses crypt
result $? "a crypt target takes its place under load"
swap "0 16384 linear $a 0" && moves back "$c" $dm "$mib"
result $? "and goes again"
gone lab
table "0 32768 striped 2 128 $a 0 $b 0" && through striped
result $? "striped"
gone lab
table "0 16384 multipath 0 0 1 1 round-robin 0 1 1 $a 1" && through multipath
result $? "multipath"
gone lab
table "0 16384 delay $a 0 20" && through delay
result $? "delay"
gone lab
table "0 16384 linear $a 0" "16384 16384 $crypt" && refuses crypt
result $? "linear and crypt in one table refuse"
gone lab
table "0 16384 flakey $a 0 60 0" && refuses flakey
result $? "flakey refuses"
gone lab
table "0 16384 mirror core 1 1024 2 $a 0 $b 0" && refuses mirror
result $? "mirror refuses"
gone lab
table "0 16384 snapshot-origin $a" && through origin
result $? "snapshot-origin"
kept=$(digest "$a" 0 "$mib")
dd if=/dev/urandom of="$c" bs=1M count="$mib" conv=fsync 2>/dev/null
dmsetup suspend lab && echo "0 16384 snapshot $a $b N 8" | dmsetup create kept --noudevsync --noudevrules &&
	dmsetup resume lab --noudevsync --noudevrules && attempt "$c" $dm "$mib" &&
	[ "$(digest $dm 0 "$mib")" = "$(digest "$c" 0 "$mib")" ] && [ "$(digest /dev/dm-1 0 "$mib")" = "$kept" ]
result $? "with a snapshot, which has kept what was there"
gone lab
gone kept
table "0 2048 linear $a 0" "2048 2048 linear /dev/ram0 0" && refused $FILL $dm "$c" 1 &&
	[ "$(said "takes no peer memory: a device below does not")" -gt 0 ]
result $? "half of it in RAM refuses"
gone lab
table "0 2048 linear $a 0" "2048 4096 linear $far 2048" && refused $DRAIN "$c" $dm 2
result $? "half of it does not reach the memory: what is there is refused"
moves half "$c" $dm 1
result $? "the other half takes it"
gone lab
table "0 2048 linear $a 0" "2048 2048 error" && moves error "$c" $dm 1
result $? "half of it fails: the other half takes it"
gone lab
MDADM_NO_UDEV=1 mdadm --create /dev/md0 --run --force --metadata=1.0 --size=8M --level=1 --raid-devices=2 \
	--assume-clean "$a" "$b" </dev/null >/dev/null 2>&1
table "0 16384 linear /dev/md0 0" && through volume && [ "$(digest "$a" 0 "$mib")" = "$(digest "$b" 0 "$mib")" ]
result $? "linear on a mirror"
gone lab
mdadm --quiet --stop /dev/md0
table "0 32768 multipath 0 0 1 1 round-robin 0 1 1 $a 1" && MDADM_NO_UDEV=1 mdadm --create /dev/md0 --run --force \
	--metadata=1.0 --size=8M --level=1 --raid-devices=2 --assume-clean $dm "$b" </dev/null >/dev/null 2>&1 &&
	moves requests "$c" /dev/md0 "$mib" && [ "$(digest "$a" 0 "$mib")" = "$(digest "$b" 0 "$mib")" ]
result $? "a mirror on a multipath of requests"
mdadm --quiet --stop /dev/md0
gone lab
finish
