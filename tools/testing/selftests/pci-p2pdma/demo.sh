#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh MIB LENDER FROM TO: the same copy through lent memory and through RAM, told in lines that
# begin with "# demo:".

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

mib=$1 lender=$2 source=$3 target=$4
routes=/sys/kernel/debug/p2pdma/routes

tell() { echo "# demo: $*"; }

# try NAME OFFSET_MIB VIA: copy, then compare what both drives hold
try() {
	phase "$1" p2p_copy --from "$from" --to "$to" --via "$3" \
		--bytes $((mib << 20)) --offset $(($2 << 20)) 2>&1 | sed 's/^/# demo: say /'
	a=$(digest "$from" "$2" "$mib")
	b=$(digest "$to" "$2" "$mib")
	tell digest "$1" "$source" "$a"
	tell digest "$1" "$target" "$b"
	[ "$a" = "$b" ]
	result $? "$1: contents equal"
}

plan 3
announce "$lender" "$source" "$target" && lend "$lender"
result $? "drives and lent memory are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
bdf=$(drive_bdf "$lender")
p2pmem=/sys/bus/pci/devices/$bdf/p2pmem

tell kernel "$(uname -r)"
tell lent "$(cat "$p2pmem/size")" "$(cat "$p2pmem/available")" "$(cat "$p2pmem/published")"
if [ -e $routes ]; then
	sed 's/^/# demo: route /' $routes
fi
try bar 0 "$bdf"
try ram "$mib" ram
finish
