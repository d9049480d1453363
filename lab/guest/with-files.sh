#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-files.sh PROVIDER FROM TO PROGRAM ARGUMENT...: as with-drives.sh, with an ext4 and an xfs file system on
# partitions of FROM, which is emptied. Afterwards all of it has to let go: of the file systems, and of the provider,
# which is taken away.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

P2P_PROVIDER=$(drive_bdf "$1") && P2P_FROM=$(drive_node "$2") && P2P_OVERWRITE=$(drive_node "$3") || exit 1
announce "$1" "$2" "$3" && announce_bar "$1" || exit 1
P2P_EXT4=/mnt/ext4/file
P2P_XFS=/mnt/xfs/file
export P2P_PROVIDER P2P_FROM P2P_OVERWRITE P2P_EXT4 P2P_XFS
shift 3

mkdir -p /mnt/ext4 /mnt/xfs
# xfs has less than 300 MB.
{ partition "$P2P_FROM" 24 32 &&
	mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "${P2P_FROM}p1" &&
	mkfs.xfs -q -f -K --unsupported "${P2P_FROM}p2" &&
	mount -t ext4 "${P2P_FROM}p1" /mnt/ext4 && mount -t xfs "${P2P_FROM}p2" /mnt/xfs; } >/tmp/mkfs.log 2>&1 ||
	{ sed 's/^/# /' /tmp/mkfs.log; exit 1; }

"$@"
status=$?
umount /mnt/ext4 /mnt/xfs || { echo "# the file systems are in use"; exit 1; }
echo 1 >"/sys/bus/pci/devices/$P2P_PROVIDER/remove"
[ ! -e "/sys/bus/pci/devices/$P2P_PROVIDER" ] || { echo "# the provider is in use"; exit 1; }
exit $status
