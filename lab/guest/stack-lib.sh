# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sourced by the scripts about stacked devices: copies through peer memory of card (a BDF; memory is its file), which
# the host counts, and such that are refused. Sizes are in MiB.
# shellcheck disable=SC2154

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

EREMOTEIO=121
# What p2p_copy says of the step that has failed, for those who source this
# shellcheck disable=SC2034
FILL=3 DRAIN=4

# attempt FROM TO MIB ARGUMENT...: from and to the same place
attempt() {
	from=$1 to=$2 size=$3
	shift 3
	p2p_copy --from "$from" --to "$to" --via "$card" --bytes $((size << 20)) "$@"
}

# moves NAME FROM TO MIB: a copy, counted under NAME
moves() {
	want=$(digest "$2" 0 "$4")
	said=$(attempt "$2" "$3" "$4" --phase "$1" 2>&1)
	status=$?
	echo "$said" | sed 's/^/# /'
	[ $status = 0 ] && [ "$(digest "$3" 0 "$4")" = "$want" ]
}

# watched NAME FROM TO: as much as can be traced once more, with all accesses to the memory
watched() {
	p2p_copy --from "$2" --to "$3" --via "$card" --bytes $((${P2P_WATCHED_KIB:-256} << 10)) --watch "$1" >/dev/null
}

# gone NAME: a table of device-mapper that is called so
gone() { until_ok dmsetup remove "$1" --noudevsync --noudevrules; }

# refused STEP FROM TO MIB: a copy that fails there with EREMOTEIO, and leaves TO as it was
refused() {
	before=$(digest "$3" 0 "$4")
	said=$(attempt "$2" "$3" "$4" 2>&1)
	status=$?
	echo "# $said"
	[ $status = "$1" ] && [ "$(digest "$3" 0 "$4")" = "$before" ] || return 1
	case $said in
	*"errno $EREMOTEIO"*) true ;;
	*) echo "# refused, but not with EREMOTEIO"; false ;;
	esac
}

# load NODE MIB SECONDS ARGUMENT...: write at random from peer memory, and verify what has been written
load() {
	node=$1 size=$2 runtime=$3
	shift 3
	fio --name=load --filename="$node" --direct=1 --rw=randwrite --bsrange=4k-16k --size="${size}M" --iodepth=4 \
		--ioengine=io_uring --iomem="mmapshared:$memory" --time_based --runtime="$runtime" \
		--verify=crc32c --verify_backlog=32 --verify_fatal=1 --eta=never --output=/tmp/fio.log "$@"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

# shellcheck disable=SC2034
md=/dev/md0

sync_ended() { [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; }

# in_sync: wait until $md is
in_sync() {
	[ -e /sys/block/md0/md/sync_action ] || return 0
	sleep 1
	tries=600 until_ok sync_ended
}

# equal X Y: both members of a mirror, of $member each, hold the same
equal() { [ "$(digest "$1" 0 "$member")" = "$(digest "$2" 0 "$member")" ]; }

# said TEXT: how many lines of the kernel's log have it
said() { dmesg | grep -c "$1"; }
