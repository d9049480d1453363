#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-paths.sh MIB PROVIDER FROM TO: the same copy with data described by PRPs, then by SGLs; the beginning of
# each once more, with all accesses to the memory traced.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

mib=$1 provider=$2 source=$3 target=$4
WATCHED_KIB=$((${P2P_WATCHED_KIB:-256}))
threshold=/sys/module/nvme/parameters/sgl_threshold

# try NAME SGL_THRESHOLD OFFSET_MIB
try() {
	echo "$2" >$threshold
	p2p_copy --from "$from" --to "$to" --via "$card" --bytes $((mib << 20)) \
		--offset $(($3 << 20)) --phase "$1" 2>&1 | sed 's/^/# /'
	[ "$(digest "$from" "$3" "$mib")" = "$(digest "$to" "$3" "$mib")" ]
	result $? "$1: contents equal"
	p2p_copy --from "$from" --to "$to" --via "$card" --bytes $((WATCHED_KIB << 10)) \
		--offset $(($3 << 20)) --watch "$1.watched" >/dev/null
	result $? "$1: once more, with all accesses traced"
}

plan 5
announce "$provider" "$source" "$target" && announce_bar "$provider"
result $? "drives and peer memory are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
card=$(drive_bdf "$provider")
try prp 0 0
try sgl 4096 "$mib"
finish
