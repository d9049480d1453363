#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# btrfs.sh PROVIDER FROM TO: files of btrfs, on TO, which is emptied. Reads are refused where it would have
# the CPU sum the data, with the reason; without checksums both ways go past the CPU.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

KIB=$((${P2P_WATCHED_KIB:-256}))
dir=/mnt/btrfs

# copy FROM TO AT_KIB [ARGUMENT...]
copy() {
	source=$1 target=$2 at=$3
	shift 3
	p2p_copy --from "$source" --to "$target" --via "$provider" --bytes $((KIB << 10)) --offset $((at << 10)) "$@" \
		>/tmp/said 2>&1
}

# file NAME: a new one with blocks of its own
file() { dd if=/dev/zero of="$dir/$1" bs=1k count=$((2 * KIB)) 2>/dev/null && sync; }

# refused STATUS WORDS: the copy said EREMOTEIO in the step with this status, and the log says why
refused() { [ "$status" = "$1" ] && grep -q "errno 121" /tmp/said && dmesg | grep -q "$2 refused: btrfs .*checksums"; }

# sum NODE AT_KIB
sum() { dd if="$1" bs=1k skip="$2" count=$KIB iflag=direct 2>/dev/null | sha256sum; }

plan 7
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
provider=$(drive_bdf "$1")
drive=$(drive_node "$2")
mkdir -p $dir
{ mkfs.btrfs -q -f -M "$(drive_node "$3")" && mount -t btrfs "$(drive_node "$3")" $dir; } >/tmp/mkfs.log 2>&1 && file summed
result $? "a file system"

# Since 6.12.15 btrfs takes O_DIRECT writes to such files for buffered ones, which copy from a program's mapping.
copy "$drive" $dir/summed 0 && [ "$(sum "$drive" 0)" = "$(sum $dir/summed 0)" ]
result $? "a write goes by the page cache"
copy $dir/summed "$drive" 0
status=$?
refused 3 "read into peer memory"
result $? "a read is refused: $(dmesg | grep -m 1 "peer memory refused")"

umount $dir && mount -t btrfs -o nodatasum "$(drive_node "$3")" $dir && file plain
result $? "without checksums"
copy "$drive" $dir/plain 0 --watch write && [ "$(sum "$drive" 0)" = "$(sum $dir/plain 0)" ]
result $? "written"
copy $dir/plain "$drive" $KIB --watch read && [ "$(sum "$drive" $KIB)" = "$(sum $dir/plain $KIB)" ]
result $? "read"
umount $dir
finish
