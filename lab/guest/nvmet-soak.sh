#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-soak.sh RESETS A PROVIDER B: targets on drives A and B over loop, TCP and RDMA (a card that does DMA) serve from
# PROVIDER's memory under a load that verifies what it reads, while PROVIDER, drive A, or both at once are reset, RESETS times
# in all. What is in use goes to the host now and then, who sees whether it grows.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

config=/sys/kernel/config/nvmet
stop=/tmp/stop.$$
block=65536 blocks=8

reset() { echo 1 >"/sys/bus/pci/devices/$1/reset"; }

# trips NAME DISK PLACE: write at PLACE MiB what is new each time, read it and compare, until told to stop
trips() {
	done=0
	while [ ! -e $stop ]; do
		dd if=/dev/urandom of="/tmp/$1.new" bs=$block count=$blocks 2>/dev/null
		dd if="/tmp/$1.new" of="$2" bs=$block seek=$(($3 * 16)) oflag=direct 2>/dev/null ||
			{ echo "# $1: write failed"; return 1; }
		dd if="$2" of="/tmp/$1.got" bs=$block skip=$(($3 * 16)) count=$blocks iflag=direct 2>/dev/null ||
			{ echo "# $1: read failed"; return 1; }
		cmp -s "/tmp/$1.new" "/tmp/$1.got" || { echo "# $1: wrong after $done round trips"; return 1; }
		done=$((done + 1))
		echo $done >"/tmp/$1.done"
	done
}

# Over loop the memory is the client's own: its requests may fail, nothing wrong may succeed.
own() {
	P2P_PROVIDER=$provider p2p_outage "$(node "$loop" 1)" "$(node "$loop" 2)" $stop >/tmp/own
	status=$?
	sed 's/^/# loop: /' /tmp/own
	return $status
}

begin_load() {
	rm -f $stop
	own &
	own=$!
	trips tcp "$(node "$tcp" 1)" 8 &
	over_tcp=$!
	trips rdma "$(node "$rdma" 1)" 16 &
	over_rdma=$!
}
still_there() { kill -0 $own 2>/dev/null && kill -0 $over_tcp 2>/dev/null && kill -0 $over_rdma 2>/dev/null; }

# Provider, drive, both
resets() {
	round=0 made=0 often=$((1 + $1 / 60))
	while [ $made -lt "$1" ]; do
		still_there || return 1
		case $((round % 3)) in
		0) reset "$provider" && made=$((made + 1)) ;;
		1) reset "$drive" && made=$((made + 1)) ;;
		2)
			reset "$provider" &
			reset "$drive"
			wait $!
			made=$((made + 2)) ;;
		esac || { echo "# cannot be reset"; return 1; }
		round=$((round + 1))
		[ $((round % often)) != 0 ] || sample
		sleep 0.2
	done
}

sample() {
	echo 3 >/proc/sys/vm/drop_caches
	echo "# after $made resets: tcp $(cat /tmp/tcp.done), rdma $(cat /tmp/rdma.done) round trips"
	echo "# sample iomem=0 pools=$(grep -c -e p2pdma_pool -e region_create /proc/vmallocinfo) $(awk '/^(MemFree|Percpu|PageTables):/ { printf "%s%s ", $1, $2 }' /proc/meminfo | sed 's/:/=/g')"
}

show_stats() { grep -e requests -e interrupted -e outage "$config/subsystems/$1/namespaces/1/p2pmem_stats" | sed "s/^/# $1 /"; }

whole() { [ "$(cat "$p2pmem/available")" = "$free" ]; }

plan 9
load_cards && wire 0
result $? "a wire"
announce "$2" "$4" "$3" && announce_bar "$3"
result $? "drives and provider are there"
a=$(drive_node "$2")
b=$(drive_node "$4")
drive=$(drive_bdf "$2")
provider=$(drive_bdf "$3")
p2pmem=/sys/bus/pci/devices/$provider/p2pmem
free=$(cat "$p2pmem/available")
rdma_soft rxe client0 client0 && rdma_card rxe near target0 "$(lab_ask where near)" &&
	nvmet-config.sh export loop 1 "$a" 1 && nvmet-config.sh export loop 2 "$b" 1 &&
	nvmet-config.sh export tcp 1 "$a" 1 1 && nvmet-config.sh export rdma 1 "$a" 1 &&
	nvmet-config.sh port 1 rdma 10.9.0.1 4420 rdma && nvmet-config.sh port 2 tcp 127.0.0.1 4420 tcp &&
	nvmet-config.sh port 3 loop - - loop &&
	loop=$(connect loop - loop 2) && tcp=$(connect tcp 127.0.0.1 tcp) && rdma=$(client rdma 0)
result $? "three transports are connected"
echo 0 >/tmp/tcp.done
echo 0 >/tmp/rdma.done
begin_load
resets "$1"
result $? "$made resets of provider and drive, load goes on"
: >$stop
wait $own
result $? "loop: no wrong byte with good status, no other error"
wait $over_tcp
result $? "TCP: what was written was read, no error"
wait $over_rdma
result $? "RDMA: likewise"
show_stats tcp
show_stats rdma
# In a few resets all that was in flight may have ended in time.
interrupted() { [ "$made" -lt 100 ] || { more tcp interrupted 0 && more rdma interrupted 0; }; }
more tcp requests 0 && more rdma requests 0 && more rdma ram_outage 0 && more loop requests 0 && interrupted
result $? "served from peer memory, interrupted, and in RAM meanwhile"
disconnect "$loop" && disconnect "$tcp" && disconnect "$rdma" && nvmet-config.sh clear && until_ok whole
result $? "all of the provider's memory is free"
finish
