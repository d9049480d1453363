#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# integrity.sh PROVIDER PLAIN PROTECTED: copies between a drive and one with protection information. The block
# layer has the CPU compute that, from the data: refused, with the reason, until it is told not to.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

KIB=$((${P2P_WATCHED_KIB:-256}))

# copy FROM TO AT_KIB [ARGUMENT...]
copy() {
	source=$1 target=$2 at=$3
	shift 3
	p2p_copy --from "$source" --to "$target" --via "$provider" --bytes $((KIB << 10)) --offset $((at << 10)) "$@" \
		>/tmp/said 2>&1
}

holds_the_same() {
	for node in "$plain" "$protected"; do
		blockdev --flushbufs "$node"
		dd if="$node" bs=1k skip="$1" count=$KIB 2>/dev/null | sha256sum
	done | uniq | wc -l | grep -qx 1
}

# refused STATUS WORDS: the copy said EREMOTEIO in the step with this status, and the log says why
refused() {
	[ "$status" = "$1" ] && grep -q "errno 121" /tmp/said && dmesg | grep -q "${protected##*/}: $2"
}

plan 15
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
provider=$(drive_bdf "$1")
plain=$(drive_node "$2")
protected=$(drive_node "$3")
integrity=/sys/block/${protected##*/}/integrity
[ "$(cat "$integrity/write_generate")$(cat "$integrity/read_verify")" = 11 ]
result $? "protection information is there: $(cat "$integrity/format")"

copy "$plain" "$protected" 0
status=$?
refused 4 "write from peer memory refused: .*integrity/write_generate"
result $? "a write is refused: $(dmesg | grep -m 1 "peer memory refused")"
copy "$protected" "$plain" 0
status=$?
refused 3 "read into peer memory refused: .*integrity/read_verify"
result $? "a read is refused, too"
p2p_copy --from "$plain" --to "$protected" --via ram --bytes $((KIB << 10)) --offset $((KIB << 10)) >/dev/null &&
	holds_the_same $KIB
result $? "through RAM it goes"

# shellcheck disable=SC2154 # of nvmet-lib.sh
ns=$config/subsystems/protected/namespaces/1
mkdir -p "$ns"
echo /dev/nothing >"$ns/device_path"
echo 1 >"$ns/p2pmem"
echo "$protected" >"$ns/device_path"
refuses "$ns/enable" 1 "not supported" "has the CPU compute protection information" "a target does not begin with it"

echo 0 >"$integrity/write_generate"
refuses "$ns/enable" 1 "not supported" "has the CPU compute protection information" "nor if it reads alone"
copy "$plain" "$protected" 0 --watch write && holds_the_same 0
result $? "written, when the drive generates it"
status=0
copy "$protected" "$plain" 0 || status=$?
[ $status = 3 ]
result $? "which says nothing of reads"
echo 0 >"$integrity/read_verify"
copy "$protected" "$plain" $((2 * KIB)) --watch read && holds_the_same $((2 * KIB))
result $? "read, when the drive verifies it"
echo 1 >"$ns/enable" && [ "$(cat "$ns/enable")" = 1 ]
result $? "a target can have its data there now"
nvmet-config.sh clear

# A reset of the drive sets both back: that is for the target to see, not to try again and again.
in_ram() { grep -q "^controller [0-9]* drive$" "$config/subsystems/pi/namespaces/1/p2pmem_stats"; }
nvmet-config.sh export pi 1 "$protected" "$provider" 1 && nvmet-config.sh port 1 tcp 127.0.0.1 4420 pi && make_pattern 1 &&
	one=$(connect tcp 127.0.0.1 pi) && disk=$(node "$one" 1) && round_trip "$disk" && more pi cpu_requests 0
result $? "it serves from peer memory"
echo 1 >"/sys/bus/pci/devices/$(drive_bdf "$3")/reset"
until_ok grep -q 1 "$integrity/write_generate"
round_trip "$disk" && until_ok in_ram && round_trip "$disk" && sleep 2 && tried=$(stat pi interrupted) && ram=$(stat pi ram_drive) &&
	round_trip "$disk" && sleep 2 && round_trip "$disk" && more pi ram_drive "$ram" && [ "$(stat pi interrupted)" = "$tried" ]
result $? "from RAM once the drive has been reset, with the reason, and peer memory is not tried again"
echo "# $tried interrupted"
echo 0 >"$integrity/write_generate" && echo 0 >"$integrity/read_verify"
in_peer_memory() { had=$(stat pi cpu_requests) && round_trip "$disk" && more pi cpu_requests "$had"; }
until_ok in_peer_memory
result $? "and from peer memory when the drive does it itself again"
disconnect "$one" && nvmet-config.sh clear

echo 1 >"$integrity/write_generate"
status=0
copy "$plain" "$protected" 0 || status=$?
[ $status = 4 ]
result $? "and refused again"
finish
