#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unplug-rounds.sh ROUNDS FROM PROVIDER: PROVIDER is pulled out and put back ROUNDS times, each time while processes map
# and unmap its memory and jobs read the drive FROM into it. What is in use after each round goes to the host, who
# sees whether it grows.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

JOBS=4

export tries=300	# of until_ok

gone() { [ ! -e "/sys/bus/pci/devices/$provider" ]; }
provides() { drive_bdf "$1" >/dev/null 2>&1 && [ -e "/sys/bus/pci/devices/$provider/p2pmem/allocate" ]; }

jobs() {
	fio --name=rounds --filename="$from" --readonly --direct=1 --ioengine=libaio --iodepth=4 --rw=randread --bs=16k \
		--numjobs=$JOBS --iomem="mmapshared:/sys/bus/pci/devices/$provider/p2pmem/allocate" \
		--time_based --runtime=60 --eta=never --thread=0 >/tmp/fio.log 2>&1
}

reads() { awk '{ print $1 }' "/sys/block/${from##*/}/stat"; }
more() { [ "$(reads)" -gt $((had + JOBS * 4)) ]; }

pull_out() {
	p2p_storm "$provider" &
	storm=$!
	had=$(reads)
	jobs &
	fio=$!
	until_ok more || { echo "# no I/O"; return 1; }
	lab attention "$1"
	# The button has five seconds in which it can be pressed again: spare them.
	[ -z "$slot" ] || echo 0 2>/dev/null >"$slot/power"
	until_ok gone || { echo "# it is still there"; return 1; }
	wait $storm || return 1
	# Its memory is gone, and that is an error.
	! wait $fio
}

put_back() {
	lab plug "$1"
	[ -z "$slot" ] || echo 1 2>/dev/null >"$slot/power"
	until_ok provides "$1"
}

# Exact numbers: nothing cached, no free objects in slabs that count as used
sample() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 0.2
	for cache in /sys/kernel/slab/*; do
		[ -L "$cache" ] || echo 1 >"$cache/shrink"
	done
	echo "# sample iomem=$(sha256sum </proc/iomem | cut -c 1-16) pools=$(grep -c -e p2pdma_pool -e region_create \
		/proc/vmallocinfo) $(awk '/^(MemFree|Percpu|PageTables):/ { printf "%s%s ", $1, $2 }' /proc/meminfo |
		sed 's/:/=/g')$(awk 'NR > 2 { printf "slab.%s=%s ", $1, $2 }' /proc/slabinfo)"
}

rounds=$1
plan 2
announce "$2" "$3" && announce_bar "$3"
result $? "drive and peer memory are there"
from=$(drive_node "$2")
provider=$(drive_bdf "$3")
slot=$(slot_of "$provider")
done=0
while [ $done -lt "$rounds" ] && pull_out "$3" && put_back "$3"; do
	done=$((done + 1))
	sample
done
[ $done = "$rounds" ]
result $? "$done of $rounds rounds"
finish
