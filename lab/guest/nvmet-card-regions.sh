#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card-regions.sh MIB A PROVIDER TYPE: a target whose card reads and writes by memory regions (ib_core.force_mr=1) that
# are shorter than a command: 43 pages (some iWARP cards have 128), of which 1 MiB wants six, and would want a seventh if each
# were a page shorter.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

mib=$1 bytes=$(($1 << 20)) type=$4
pages=/sys/module/dma_card/parameters/mr_pages
MIB=1048576

# there_and_back DISK: in commands of 1 MiB
there_and_back() {
	dd if=/tmp/pattern of="$1" bs=1M oflag=direct 2>/dev/null &&
		dd if="$1" bs=1M count="$mib" iflag=direct 2>/dev/null | cmp - /tmp/pattern
}

plan 6
load_cards && wire 0 && rdma_soft "$type" client0 client0
result $? "wire"
announce "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
make_pattern "$mib"
near=$(lab_ask where near)
echo 43 >$pages && rdma_card "$type" near target0 "$near" && echo 0 >$pages
result $? "a card with short regions"
serve near 10.9.0.1 1 "$a" && one=$(client near 0) && disk=$(node "$one" 1) &&
	echo 1024 >"/sys/block/${disk##*/}/queue/max_sectors_kb" && [ "$(cat "/sys/block/${disk##*/}/queue/max_hw_sectors_kb")" -ge 1020 ]
result $? "and a client that asks for more than they hold"
echo "# a command has up to $(cat "/sys/block/${disk##*/}/queue/max_sectors_kb") KiB"
card_mark "$near"
phase regions there_and_back "$disk"
result $? "data come back"
[ $bytes -ge $MIB ] && card_moved "$near" read_peer=$bytes write_peer=$bytes read_ram=0 write_ram~0 failed=0
result $? "from peer memory alone"
stop "$one"
finish
