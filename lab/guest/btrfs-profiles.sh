#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# btrfs-profiles.sh PROVIDER A B C FAR: file systems on two volumes, without checksums. All drives are emptied.
# FAR does not reach the provider.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

one=/dev/dm-0 two=/dev/dm-1 mnt=/mnt/btrfs file=/mnt/btrfs/file
mib=1

# volume NAME DRIVE OTHER: a drive and the second half of another one, as no profile with parity takes less
volume() {
	half=$(($(blockdev --getsz "$2") / 2))
	printf '%s\n' "0 $((2 * half)) linear $2 0" "$((2 * half)) $half linear $3 $half" |
		dmsetup create "$1" --noudevsync --noudevrules
}

# format PROFILE: both volumes, with a file of random data
format() {
	{ mkfs.btrfs -q -f -M -d "$1" -m "$1" $one $two && mount -t btrfs -o nodatasum,device=$two $one $mnt &&
		dd if=/dev/urandom of=$file bs=1M count=$mib && sync; } >/tmp/mkfs.log 2>&1 && return 0
	sed 's/^/# /' /tmp/mkfs.log
	return 1
}

# reads NAME: the file, through peer memory, counted under NAME, and no device is said to be broken
reads() {
	want=$(sha256sum <$file)
	attempt $file "$c" $mib --phase "$1" >/dev/null && [ "$(head -c $((mib << 20)) "$c" | sha256sum)" = "$want" ] && [ "$(said "errs: ")" = 0 ]
}

# far_is_asked: btrfs has each process read from one of the mirrors
far_is_asked() {
	for round in $(seq 20); do
		reads "raid1.$round" || return 1
		[ "$(said "$far_ctrl: a command failed, for no fault of the drive")" = 0 ] || return 0
	done
	echo "# FAR was never asked"
	return 1
}

plan 6
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
card=$(drive_bdf "$1")
a=$(drive_node "$2")
b=$(drive_node "$3")
c=$(drive_node "$4")
far=$(drive_node "$5")
far_ctrl=$(basename "${far%n[0-9]*}")
mkdir -p $mnt

volume one "$a" "$c" && volume two "$far" "$b" && format raid1 && far_is_asked
result $? "RAID 1: what a device does not reach is read from the other"
umount $mnt
gone two

volume two "$b" "$far" && format raid0 && reads raid0.out &&
	dd if=/dev/urandom of="$c" bs=1M count=$mib oflag=direct 2>/dev/null && want=$(head -c $((mib << 20)) "$c" | sha256sum) &&
	attempt "$c" $file $mib --phase raid0.in && [ "$(sha256sum <$file)" = "$want" ]
result $? "RAID 0"
umount $mnt
format raid5 && reads raid5.out
result $? "RAID 5: a read that takes no parity"
umount $mnt
gone two
mount -t btrfs -o degraded,nodatasum $one $mnt && before=$(sha256sum <$file) && ! attempt $file "$c" $mib 2>/tmp/said &&
	grep -q "errno $EREMOTEIO" /tmp/said && [ "$(said "refused: btrfs has the CPU compute it from parity")" -gt 0 ]
result $? "RAID 5, a device missing: $(cat /tmp/said)"
[ "$(sha256sum <$file)" = "$before" ]
result $? "what is in RAM is computed"
umount $mnt
gone one
finish
