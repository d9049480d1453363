#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fio.sh LENDER DRIVE: fio as users run it, with its buffers in lent memory, by each of its ways to do
# direct I/O; what it reads has to be what it wrote.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

# load NAME ARGUMENT...: write at random and verify
load() {
	name=$1
	shift
	fio --name="$name" --direct=1 --rw=randwrite --bsrange=4k-64k --size=2M --numjobs=2 --offset_increment=2M \
		--iomem="mmapshared:$memory" --verify=crc32c --verify_fatal=1 --do_verify=1 --eta=never \
		--output=/tmp/fio.log "$@"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

free() { cat "${memory%/*}/available"; }

plan 9
announce "$1" "$2" && lend "$1"
result $? "drive and lent memory are there"
drive=$(drive_node "$2")
memory=/sys/bus/pci/devices/$(drive_bdf "$1")/p2pmem/allocate
had=$(free)
phase sync load sync --filename="$drive" --ioengine=psync
result $? "pread and pwrite"
phase vectors load vectors --filename="$drive" --ioengine=pvsync
result $? "preadv and pwritev"
phase libaio load libaio --filename="$drive" --ioengine=libaio --iodepth=8
result $? "libaio"
phase io_uring load io_uring --filename="$drive" --ioengine=io_uring --iodepth=8
result $? "io_uring"
phase pages load pages --filename="$drive" --ioengine=libaio --iodepth=8 --bsrange=4k-4k
result $? "one page at a time"
phase async load async --filename="$drive" --ioengine=libaio --iodepth=8 --verify_async=2
result $? "verified by threads of their own"
! fio --name=fixed --filename="$drive" --direct=1 --rw=read --size=1M --ioengine=io_uring --fixedbufs \
	--iomem="mmapshared:$memory" --eta=never >/tmp/fio.log 2>&1 && grep -q "err=14/.*Bad address" /tmp/fio.log
result $? "buffers registered with io_uring are refused: $(grep -m 1 -i -e error -e fail /tmp/fio.log)"
[ "$(free)" = "$had" ]
result $? "nothing lost: $(free) bytes of $had are free"
finish
