#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card-stack.sh MIB A B PROVIDER: an NVMe-oF target on a volume on a mirror of A and B over RDMA, by cards that do
# DMA: the near one and both drives meet in PROVIDER's memory; what the far one moves is in RAM.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
bytes=$(($1 << 20)) member=8
volume=/dev/dm-0

plan 11
load_cards && wire 0 && wire 1 && rdma_soft rxe client0 client0 && rdma_soft rxe client1 client1
result $? "wires, and the client's devices"
announce "$2" "$3" "$4" && announce_bar "$4"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
b=$(drive_node "$3")
make_pattern "$1"
near=$(lab_ask where near) far=$(lab_ask where far)
rdma_card rxe near target0 "$near" && rdma_card rxe far target1 "$far"
result $? "RDMA devices with PCI functions, below the switch and at another root port"
mdadm --create $md --run --force --metadata=1.0 --size=${member}M --level=1 --raid-devices=2 --bitmap=internal "$a" "$b" \
	</dev/null >/tmp/mdadm.log 2>&1 && in_sync &&
	echo "0 $((member << 11)) linear $md 0" | dmsetup create volume --noudevsync --noudevrules
result $? "a volume on a mirror"

serve near 10.9.0.1 1 $volume && one=$(client near 0) && card_mark "$near" && phase near round_trip "$(node "$one" 1)"
result $? "near: data come back"
equal "$a" "$b" && card_moved "$near" read_peer=$bytes write_peer=$bytes read_ram=0 write_ram~0 failed=0
result $? "and are on both members; the card moved them, in peer memory alone"
[ "$(stat near bytes)" -ge $((2 * bytes)) ] && [ "$(stat near cpu_requests)" = 0 ] && [ "$(stat near ram_unreachable)" = 0 ]
result $? "the target has counted that, and no CPU"

mdadm --quiet $md --fail "$b" && mdadm --quiet $md --remove "$b" && make_pattern "$1" && card_mark "$near" &&
	phase degraded round_trip "$(node "$one" 1)" && card_moved "$near" read_peer=$bytes write_peer=$bytes failed=0
result $? "a member is taken away: data come back from the other, in peer memory"
mdadm --quiet $md --add "$b" && in_sync && equal "$a" "$b"
result $? "it is there again, and equal"
stop "$one"

serve far 10.9.1.1 1 $volume && one=$(client far 1) && card_mark "$far" && phase far round_trip "$(node "$one" 1)"
result $? "far: data come back"
card_moved "$far" read_peer=0 write_peer=0 read_ram=$bytes write_ram~$bytes failed=0 && more far ram_unreachable 0 && equal "$a" "$b"
result $? "far: in RAM, with the reason, and on both members"
stop "$one"
gone volume && until_ok mdadm --quiet --stop $md
finish
