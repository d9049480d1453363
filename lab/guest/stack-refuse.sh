#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# stack-refuse.sh PROVIDER A B C D: layers that look at the data, copy them, or write to several without asking. Each is
# read into peer memory and written from it, which fails with EREMOTEIO; what it held it holds. Then it does the same with
# RAM, so that it was no broken one that refused. D is an ordinary drive here.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
dm=/dev/dm-0
length=4096	# of each table, in sectors

# works NODE: with data in RAM, which are new there
works() {
	dd if=/dev/urandom of=/tmp/new bs=64k count=1 2>/dev/null
	dd if=/tmp/new of="$1" bs=64k oflag=direct 2>/dev/null && dd if="$1" of=/tmp/got bs=64k count=1 iflag=direct 2>/dev/null &&
		cmp -s /tmp/new /tmp/got
}

# both NODE: neither reads nor writes pass
both() { works "$1" && refused $FILL "$1" "$c" 1 && refused $DRAIN "$c" "$1" 1 && works "$1"; }

# table LINE [OPTION]: a device with this table
table() {
	echo "$1" | dmsetup create lab ${2:+"$2"} --noudevsync --noudevrules >/tmp/dm.log 2>&1 && return 0
	sed 's/^/# /' /tmp/dm.log
	return 1
}

clean() { for disk in "$@"; do dd if=/dev/zero of="$disk" bs=64k count=16 oflag=direct 2>/dev/null; done; }

# target NAME LINE: a table with it
target() {
	clean "$a" "$b" "$d"
	table "$2" && both $dm && [ "$(said "takes no peer memory: $1 does not pass it on")" -gt 0 ]
	result $? "dm $1"
	gone lab
}

# level LEVEL MEMBER...
level() {
	number=$1
	shift
	mdadm --create $md --run --force --metadata=1.0 --size=4M --level="$number" --raid-devices=$# "$@" \
		</dev/null >/tmp/mdadm.log 2>&1 && in_sync && both $md &&
		[ "$(said "md0: takes no peer memory: the CPU computes parity of it")" -gt 0 ]
	result $? "md raid$number"
	until_ok mdadm --quiet --stop $md && mdadm --quiet --zero-superblock "$@"
	dmesg -c >/dev/null
}

sized() { [ "$(blockdev --getsize64 "$1" 2>/dev/null || echo 0)" != 0 ]; }

plan 23
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
card=$(drive_bdf "$1")
a=$(drive_node "$2")
b=$(drive_node "$3")
c=$(drive_node "$4")
d=$(drive_node "$5")

losetup /dev/loop0 "$a" && both /dev/loop0 &&
	grep -q "^takes peer memory: no$" /sys/kernel/debug/block/loop0/peer_memory
result $? "loop"
losetup -d /dev/loop0
# Not the one that busybox has
/bin/losetup --direct-io=on /dev/loop0 "$a" && [ "$(cat /sys/block/loop0/loop/dio)" = 1 ] && both /dev/loop0
result $? "loop with direct I/O"
losetup -d /dev/loop0
echo 4M >/sys/block/zram0/disksize && both /dev/zram0
result $? "zram"
p2p_nbd /dev/nbd0 4 &
nbd=$!
until_ok sized /dev/nbd0 && both /dev/nbd0
result $? "nbd"
kill $nbd
both /dev/ram0
result $? "brd"

level 4 "$a" "$b" "$d"
level 5 "$a" "$b" "$d"
level 6 "$a" "$b" "$c" "$d"

target crypt "0 $length crypt aes-cbc-plain64 $(printf '%032d' 1) 0 $a 0"
target integrity "0 $length integrity $a 0 - J 1 internal_hash:crc32c"
target writecache "0 $length writecache s $a $b 4096 0"
target log-writes "0 $length log-writes $a $b"
target clone "0 $length clone $a $b $d 8"
target cache "0 $length cache $a $b $d 128 0 default 0"
target mirror "0 $length mirror core 1 1024 2 $a 0 $b 0"
target raid "0 $length raid raid1 3 0 region_size 1024 2 - $a - $b"
target era "0 $length era $a $b 128"
target flakey "0 $length flakey $a 0 60 0"
target dust "0 $length dust $a 0 512"
target snapshot "0 $length snapshot $a $b N 8"

clean "$a" "$b"
echo "0 $length thin-pool $a $b 128 0" | dmsetup create pool --noudevsync --noudevrules &&
	dmsetup message pool 0 "create_thin 0" && dm=/dev/dm-1 && table "0 $length thin /dev/dm-0 0" && both $dm
result $? "dm thin"
gone lab
gone pool
dm=/dev/dm-0

table "0 $length verity 1 $a $b 4096 4096 512 1 sha256 $(printf '%064d' 0) -" --readonly && refused $FILL $dm "$c" 1 &&
	[ "$(said "takes no peer memory: verity does not pass it on")" -gt 0 ]
result $? "dm verity, which is read only"
gone lab
finish
