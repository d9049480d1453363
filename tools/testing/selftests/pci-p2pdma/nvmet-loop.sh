#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-loop.sh: an NVMe-oF target on a drive, and its client on the same machine (nvme-loop), whose data in peer
# memory go through to the drive. Data in RAM are served as well, and counted as such. Wants P2P_OVERWRITE: see find.c.

DIR=$(dirname "$0")
# shellcheck source=/dev/null
. "$DIR"/../kselftest/ktap_helpers.sh

nqn=nqn.2014-08.org.nvmexpress:kselftest-p2pdma
port=57005
config=/sys/kernel/config/nvmet
bytes=$((1 << 20))

skip() { ktap_print_header; ktap_skip_all "$*"; exit "$KSFT_SKIP"; }
nvmet_config() { "$DIR"/nvmet-config.sh "$@"; }
through() { "$DIR"/p2p_through "$1" "$2" $bytes 2>&1 | sed 's/^/# /'; }
count_of() { sed -n "s/^$1 //p" $config/subsystems/$nqn/namespaces/1/p2pmem_stats; }

clean_up() {
	[ -z "$client" ] || echo 1 >"/sys/class/nvme/$client/delete_controller"
	[ ! -e $config/ports/$port ] || nvmet_config remove port $port
	[ ! -e $config/subsystems/$nqn ] || nvmet_config remove $nqn
}

# connect: sets client, as nvme1, and disk, as /dev/nvme1n1
connect() {
	exec 5<>/dev/nvme-fabrics
	echo "nqn=$nqn,transport=loop" >&5 && read -r answer <&5
	exec 5>&-
	answer=${answer#instance=}
	client=nvme${answer%%,*}
	for _ in $(seq 100); do
		for dir in "/sys/block/$client"n*; do
			disk=/dev/${dir##*/}
			[ ! -b "$disk" ] || return 0
		done
		sleep 0.1
	done
	return 1
}

# same DEVICE DEVICE: at the beginning
same() {
	for device in "$@"; do
		dd if="$device" bs=64k count=$((bytes >> 16)) iflag=direct 2>/dev/null | sha256sum
	done | uniq | wc -l | grep -qx 1
}

found=$("$DIR"/p2p_find provider read write)
status=$?
[ $status = 0 ] || { echo "$found"; exit $status; }
eval "$found"
[ "$P2P_FROM" != "$P2P_TO" ] || skip "needs two drives"
for module in nvmet nvme-loop; do
	modprobe $module 2>/dev/null
done
[ -d $config ] || skip "needs CONFIG_NVME_TARGET, and configfs mounted"
[ -c /dev/nvme-fabrics ] || skip "needs CONFIG_NVME_TARGET_LOOP"
for item in $config/subsystems/$nqn $config/ports/$port; do
	[ ! -e "$item" ] || skip "$item is there already"
done

client=
trap clean_up EXIT
ktap_print_header
ktap_set_plan 6
echo "# $P2P_FROM to $P2P_TO by way of memory of $P2P_PROVIDER"
nvmet_config export $nqn 1 "$P2P_TO" "$P2P_PROVIDER" && nvmet_config port $port loop - - $nqn
ktap_test_result "a namespace that wants peer memory is offered" test $? = 0
connect
ktap_test_result "a client connects" test $? = 0
# Not what will be copied
dd if=/dev/zero of="$P2P_TO" bs=64k count=$((bytes >> 16)) oflag=direct 2>/dev/null
through "$P2P_FROM" "$disk" && same "$P2P_FROM" "$P2P_TO"
ktap_test_result "the client writes from peer memory" test $? = 0
ktap_test_result "counted as such, byte by byte" test "$(count_of bytes)" = $bytes
ktap_test_result "and none moved by the CPU" test "$(count_of cpu_requests)" = 0
before=$(count_of ram_transport)
dd if="$disk" of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null && [ "$(count_of ram_transport)" -gt "${before:-0}" ]
ktap_test_result "what a client has in RAM is served, and counted as such" test $? = 0
ktap_finished
