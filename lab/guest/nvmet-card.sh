#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card.sh MIB A PROVIDER TYPE: an NVMe-oF target on drive A over RDMA, by cards that do DMA: the one below the
# switch and the drive meet in PROVIDER's memory, and no byte of the data is in RAM on the way.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

bytes=$(($1 << 20)) type=$4

# no_ram NQN: no command had its data in RAM
no_ram() {
	for reason in transport cpu unreachable gone pool device; do
		[ "$(stat "$1" ram_$reason)" = 0 ] || { echo "# ram_$reason $(stat "$1" ram_$reason)"; return 1; }
	done
}

plan 10
load_cards && wire 0 && wire 1 && rdma_soft "$type" client0 client0 && rdma_soft "$type" client1 client1
result $? "wires, and the client's devices"
announce "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
make_pattern "$1"
near=$(lab_ask where near) far=$(lab_ask where far)
rdma_card "$type" near target0 "$near"
result $? "an RDMA device with a PCI function below the switch"
rdma_card "$type" far target1 "$far"
result $? "and one with a function at another root port"

serve near 10.9.0.1 1 "$a" && one=$(client near 0) && card_mark "$near" && phase near round_trip "$(node "$one" 1)"
result $? "near: data come back"
card_moved "$near" read_peer=$bytes write_peer=$bytes read_ram=0 write_ram~0 failed=0
result $? "near: the card moved them, in peer memory alone"
[ "$(stat near bytes)" -ge $((2 * bytes)) ] && [ "$(stat near cpu_requests)" = 0 ] && no_ram near
result $? "near: the target has counted that, and no CPU"
stop "$one"

serve far 10.9.1.1 1 "$a" && one=$(client far 1) && card_mark "$far" && phase far round_trip "$(node "$one" 1)"
result $? "far: data come back"
card_moved "$far" read_peer=0 write_peer=0 read_ram=$bytes write_ram~$bytes failed=0 &&
	more far ram_unreachable 0 && [ "$(stat far requests)" = 0 ]
result $? "far: in RAM, with the reason"
stop "$one"

provider=$(drive_bdf "$3")
p2pmem=/sys/bus/pci/devices/$provider/p2pmem
[ "$(cat "$p2pmem/available")" = "$(cat "$p2pmem/size")" ] && echo "$provider" >"/sys/bus/pci/devices/$provider/driver/unbind" &&
	[ ! -e "$p2pmem" ]
result $? "all of the memory is back, and its driver can be taken away"
finish
