#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh MIB PROVIDER FROM TO: the same copy through peer memory and through RAM, and a small one with all
# accesses to the memory traced, told in lines that begin with "# demo:".

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

mib=$1 provider=$2 source=$3 target=$4
routes=/sys/kernel/debug/p2pdma/routes
WATCHED_KIB=$((${P2P_WATCHED_KIB:-256}))

tell() { echo "# demo: $*"; }

# try NAME OFFSET_MIB VIA: copy, then compare what both drives hold
try() {
	p2p_copy --from "$from" --to "$to" --via "$3" \
		--bytes $((mib << 20)) --offset $(($2 << 20)) --phase "$1" 2>&1 | sed 's/^/# demo: say /'
	a=$(digest "$from" "$2" "$mib")
	b=$(digest "$to" "$2" "$mib")
	tell digest "$1" "$source" "$a"
	tell digest "$1" "$target" "$b"
	[ "$a" = "$b" ]
	result $? "$1: contents equal"
}

plan 5
announce "$provider" "$source" "$target" && announce_bar "$provider"
result $? "drives and peer memory are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
bdf=$(drive_bdf "$provider")
p2pmem=/sys/bus/pci/devices/$bdf/p2pmem

tell kernel "$(uname -r)"
tell registered "$(cat "$p2pmem/size")" "$(cat "$p2pmem/available")" "$(cat "$p2pmem/published")"
if [ -e $routes ]; then
	sed 's/^/# demo: route /' $routes
fi
try bar 0 "$bdf"
try ram "$mib" ram
p2p_copy --from "$from" --to "$to" --via "$bdf" --bytes $((WATCHED_KIB << 10)) --watch watched >/dev/null
result $? "once more, with all accesses traced"
p2ptopo >/tmp/matrix && p2ptopo --svg >/tmp/svg
result $? "who reaches whom, and a picture of it"
sed 's/^/# demo: matrix /' /tmp/matrix
sed 's/^/# demo: svg /' /tmp/svg
finish
