#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# p2ptopo-measure.sh WORD PROVIDER FROM TO: a copy by p2ptopo measure, after which TO is what it was; and what it refuses.
# WORD is "ok" if there is a route.

# shellcheck source=/dev/null
. /p2p/lib.sh

expected=$1 provider=$2 source=$3 target=$4

# refused WORDS ARGUMENT...: status 1, one line that says why, and TO is as it was where a copy would go
refused() {
	words=$1
	shift
	before=$(digest "$to" 32 2)
	p2ptopo measure "$@" >/tmp/out 2>/tmp/err
	[ $? = 1 ] && [ ! -s /tmp/out ] && [ "$(wc -l </tmp/err)" = 1 ] && grep -q "$words" /tmp/err &&
		[ "$before" = "$(digest "$to" 32 2)" ]
	result $? "refused: $words"
	sed 's/^/# /' /tmp/out /tmp/err
}

plan 9
announce "$provider" "$source" "$target" && announce_bar "$provider"
result $? "drives and peer memory are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
a=$(drive_bdf "$source")
b=$(drive_bdf "$target")
p=$(drive_bdf "$provider")

refused "is not blank" "$a" "$b" "$p"
dd if=/dev/urandom of="$from" bs=1M seek=32 count=8 conv=notrunc 2>/dev/null
before=$(digest "$to" 0 64)
phase measure p2ptopo measure --overwrite "$a" "$b" "$p" >/tmp/said
status=$?
sed 's/^/# /' /tmp/said
if [ "$expected" = ok ]; then
	[ $status = 0 ] && grep -q '^peer .* equal$' /tmp/said && grep -q '^ram .* equal$' /tmp/said
	result $? "what goes through peer memory arrives"
else
	[ $status = 3 ] && grep -q "^peer *$from does not write to it: " /tmp/said && grep -q '^ram .* equal$' /tmp/said
	result $? "nothing goes through peer memory, and it says so"
fi
[ "$(digest "$to" 0 64)" = "$before" ]
result $? "the drive that was written to has what it had"

refused "no memory of this device" --overwrite "$a" "$b" 0000:00:00.0
refused "expected two drives" --overwrite "$a" "$a" "$p"
mkdir -p /tmp/mnt
namespace=/sys/kernel/config/nvmet/subsystems/disks/namespaces/1
mkdir -p /sys/kernel/config/nvmet/subsystems/disks && mkdir $namespace && printf '%s' "$to" >$namespace/device_path
refused "the NVMe target exports it" --overwrite "$a" "$b" "$p"
rmdir $namespace /sys/kernel/config/nvmet/subsystems/disks
mkfs.ext4 -q -F "$to" && mount "$to" /tmp/mnt || echo "# no file system"
refused "is in use: it, or a part of it, is mounted" --overwrite "$a" "$b" "$p"
refused "is in use: it, or a part of it, is mounted" --overwrite "$b" "$a" "$p"
umount /tmp/mnt
finish
