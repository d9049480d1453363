#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fio.sh PROVIDER DRIVE [watched]: fio as users run it, with its buffers in peer memory, by each of its ways to
# do direct I/O; what it reads has to be what it wrote. Watched, it does not look at what it reads, so that
# whatever a CPU reads of the memory is the kernel's doing.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

mib=$((${P2P_FIO_MIB:-2}))	# of each job

# load NAME ARGUMENT...: write at random and verify
load() {
	name=$1
	shift
	fio --name="$name" --direct=1 --rw=randwrite --bsrange=4k-64k --size=${mib}M --numjobs=2 --offset_increment=${mib}M \
		--iomem="mmapshared:$memory" --verify=crc32c --verify_fatal=1 --do_verify=1 --eta=never \
		--output=/tmp/fio.log "$@"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

# watch ENGINE read|write: so much through buffers of 16 KiB, which are cleared once, and filled once for a write
watch() {
	lab phase begin "$1.$2" watched
	fio --name="$1" --filename="$drive" --direct=1 --ioengine="$1" --rw="$2" --size="${P2P_WATCHED_KIB:-256}k" --bs=8k --iodepth=2 \
		--iomem="mmapshared:$memory" --zero_buffers --scramble_buffers=0 --eta=never --output=/tmp/fio.log
	status=$?
	lab phase end "$1.$2"
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

free() { cat "${memory%/*}/available"; }

watched=${3:-}
if [ "$watched" ]; then plan 7; else plan 9; fi
announce "$1" "$2" && announce_bar "$1"
result $? "drive and peer memory are there"
drive=$(drive_node "$2")
memory=/sys/bus/pci/devices/$(drive_bdf "$1")/p2pmem/allocate
if [ "$watched" ]; then
	for engine in psync libaio io_uring; do
		for how in read write; do
			watch $engine $how
			result $? "$how by $engine"
		done
	done
	finish
fi
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
