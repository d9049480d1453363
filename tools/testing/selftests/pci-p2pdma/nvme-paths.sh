#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-paths.sh MIB LENDER FROM TO: the same copy with data described by PRPs, then by SGLs.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

mib=$1 lender=$2 source=$3 target=$4
threshold=/sys/module/nvme/parameters/sgl_threshold

# try NAME SGL_THRESHOLD OFFSET_MIB
try() {
	echo "$2" >$threshold
	phase "$1" p2p_copy --from "$from" --to "$to" --via "$card" --bytes $((mib << 20)) \
		--offset $(($3 << 20)) 2>&1 | sed 's/^/# /'
	[ "$(digest "$from" "$3" "$mib")" = "$(digest "$to" "$3" "$mib")" ]
	result $? "$1: contents equal"
}

plan 3
announce "$lender" "$source" "$target" && lend "$lender"
result $? "drives and lent memory are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
card=$(drive_bdf "$lender")
try prp 0 0
try sgl 4096 "$mib"
finish
