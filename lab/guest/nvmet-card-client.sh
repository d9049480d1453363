#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card-client.sh MIB A PROVIDER B: the other end, an NVMe/RDMA host whose card does DMA: programs read and write
# the remote drive (A) straight into and out of PROVIDER's memory, where the local drive B has the data, too.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

mib=$1 bytes=$(($1 << 20))
FILL=3

# copy FROM TO BYTES [OPTION...]
copy() {
	from=$1 to=$2 size=$3
	shift 3
	p2p_copy --from "$from" --to "$to" --via "$provider" --bytes "$size" "$@"
}

# equal BYTES: A and B hold the same
equal() {
	for local in "$a" "$b"; do
		dd if="$local" of="/tmp/${local##*/}" bs=4k count=$(($1 >> 12)) iflag=direct 2>/dev/null || return 1
	done
	cmp "/tmp/${a##*/}" "/tmp/${b##*/}"
}

# refused DISK: peer memory is, with the error for it, and RAM is not
refused() {
	new_log
	said=$(copy "$1" "$b" 4096 2>&1)
	status=$?
	echo "# $said"
	case $said in *"(errno 121)"*) ;; *) false ;; esac &&
		[ $status = $FILL ] && dd if="$1" of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null
}

plan 11
load_cards && wire 0 && wire 1 && wire 2
result $? "wires"
announce "$2" "$4" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
b=$(drive_node "$4")
provider=$(drive_bdf "$3")
near=$(lab_ask where near) far=$(lab_ask where far)
rdma_soft rxe target0 target0 && rdma_card rxe near client0 "$near"
result $? "a client's card below the switch"
serve near 10.9.0.1 0 "$a" && one=$(client near 0) && disk=$(node "$one" 1)
result $? "it is connected"

card_mark "$near"
copy "$disk" "$b" "$bytes" --phase read && equal "$bytes" && card_moved "$near" remote_write_peer="$bytes" remote_write_ram~0 failed=0
result $? "what it reads goes into the peer's memory, and from there to drive B"
dd if=/dev/urandom of="$b" bs=1M count="$mib" oflag=direct 2>/dev/null
card_mark "$near"
copy "$b" "$disk" "$bytes" --phase write && equal "$bytes" && card_moved "$near" remote_read_peer="$bytes" remote_read_ram=0 failed=0
result $? "what it writes comes out of it"
dd if=/dev/urandom of="$b" bs=4k count=1 oflag=direct 2>/dev/null
card_mark "$near"
copy "$b" "$disk" 4096 --phase inline && equal 4096 && card_moved "$near" send_peer=4096 remote_read_peer=0
result $? "also with the command"
stop "$one"

rdma_soft rxe target1 target1 && rdma_card rxe far client1 "$far" && serve far 10.9.1.1 0 "$a" && one=$(client far 1) &&
	refused "$(node "$one" 1)" && since_log | grep -q "Failed to map data (-121)"
result $? "a card that does not reach it: EREMOTEIO, nothing was sent, and the log says so"
stop "$one"

rdma_soft rxe target2 target2 && rdma_soft rxe client2 client2 && serve soft 10.9.2.1 0 "$a" && one=$(client soft 2) &&
	refused "$(node "$one" 1)"
result $? "nor does a device that has the CPU move the data"
stop "$one"
nvmet-config.sh export tcp 1 "$a" 0 && nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp &&
	one=$(connect tcp 127.0.0.1 tcp) && refused "$(node "$one" 1)"
result $? "nor TCP"
stop "$one"

# All of it at once: drive, peer memory, a card, a wire, a card, peer memory, drive.
rdma link delete target0 && rdma link delete near && rdma link delete client2 &&
	rdma_card rxe near2 target0 "$near" && rdma_card rxe spare client0 "$(lab_ask where spare)" &&
	serve both 10.9.0.1 1 "$a" && one=$(client both 0) && card_mark "$near" &&
	copy "$(node "$one" 1)" "$b" "$bytes" --phase both && equal "$bytes" && card_moved "$near" write_peer="$bytes" write_ram~0
result $? "from peer memory to peer memory"
stop "$one"
finish
