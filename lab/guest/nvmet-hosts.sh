#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-hosts.sh target A B PROVIDER | initiator: two machines on one wire. The target exports drives A and B
# and serves both from PROVIDER's memory; the initiator writes and verifies over TCP and RDMA (rxe), connects
# and disconnects under load, and the provider goes and comes back meanwhile, over each. The CPU moves the data on the
# target's side of the wire, the drives' own DMA is what the host traces.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
target=10.9.9.1
kib=$((${P2P_HOSTS_KIB:-1536}))		# of each namespace, in each round
export tries=600	# of until_ok: there are two machines to wait for

# tell WORD, await WORD: between the two machines, by way of the lab
tell() { lab tell "$1"; }
await() { [ "$(lab_ask await "$1")" = ok ] || { echo "# the other machine is gone, and has not said $1"; return 1; }; }

transport() { [ "$1" = tcp ] && echo tcp || echo rdma; }

# ---- target ----

offer() {
	nvmet-config.sh export both 1 "$a" 1 1 && nvmet-config.sh export both 2 "$b" 1 1 &&
		nvmet-config.sh port 1 "$(transport "$1")" $target 4420 both
}

# stat_of NSID NAME
stat_of() { sed -n "s/^$2 //p" "$config/subsystems/both/namespaces/$1/p2pmem_stats"; }
controllers() { grep -c '^controller' "$config/subsystems/both/namespaces/1/p2pmem_stats"; }
served() { [ "$(controllers)" = "$1" ]; }

# All of it in peer memory, and no command of either namespace in RAM
all_peer() {
	for nsid in 1 2; do
		[ "$(stat_of $nsid cpu_bytes)" -ge $((2 * kib << 10)) ] || return 1
		for reason in cpu unreachable gone pool device; do
			[ "$(stat_of $nsid ram_$reason)" = 0 ] || return 1
		done
	done
}

# What an administrator sees
show_stats() {
	for nsid in 1 2; do
		sed "s/^/# $1, namespace $nsid: /" "$config/subsystems/both/namespaces/$nsid/p2pmem_stats"
	done
}

go() { tell "$1-go" && await "$1-done"; }

serve() {
	offer "$1" && tell "$1-ready" && await "$1-connected"
	result $? "$1: both drives are exported, and connected to"
	served 2 && grep -q "^controller .* $provider" "$config/subsystems/both/namespaces/2/p2pmem_stats"
	result $? "$1: both controllers are served from the provider"
	phase "$1" go "$1"
	all_peer
	result $? "$1: all data were in peer memory"
	show_stats "$1"
	tell "$1-look"
	await "$1-end" && until_ok served 0
	result $? "$1: a client that disconnects leaves no choice"
	nvmet-config.sh clear
}

more_of() { [ "$(stat_of 1 "$1")" -gt "$2" ]; }
gone() { grep -q "^controller .* gone" "$config/subsystems/both/namespaces/1/p2pmem_stats"; }
provides() { [ -e "/sys/bus/pci/devices/$provider/p2pmem/size" ] && [ -n "$(controller "$1")" ]; }

come_and_go() {
	offer "$2" && tell "$2-load" && until_ok more_of cpu_requests 50
	result $? "$2: load is served from peer memory"
	lab unplug "$1"
	ram=$(stat_of 1 ram_gone)
	until_ok gone && until_ok more_of ram_gone "${ram:-0}"
	result $? "$2: the provider is pulled out under load, which goes on in RAM, with the reason"
	lab replug "$1"
	until_ok provides "$1"
	result $? "$2: a provider is plugged in"
	requests=$(stat_of 1 cpu_requests)
	until_ok more_of cpu_requests "$((requests + 50))"
	result $? "$2: and is taken up"
	show_stats "$2, come and gone"
	tell "$2-back"
	await "$2-loaded"
	result $? "$2: the initiator is content"
	nvmet-config.sh clear
}

be_target() {
	plan 20
	announce "$1" "$2" "$3" && announce_bar "$3" && ifconfig eth0 $target up && rdma link add rxe0 type rxe netdev eth0
	result $? "drives, peer memory and network are there"
	a=$(drive_node "$1")
	b=$(drive_node "$2")
	provider=$(drive_bdf "$3")
	serve tcp
	serve rxe
	come_and_go "$3" tcp
	come_and_go "$3" rxe
	nvmet-config.sh status
	[ -z "$(ls "$config/subsystems")" ]
	result $? "nothing is left"
	finish
}

# ---- initiator ----

verified() {
	fio --direct=1 --ioengine=libaio --iodepth=4 --rw=write --bs=32k --size=${kib}k --verify=crc32c \
		--verify_fatal=1 --eta=never --output=/tmp/fio.log --name=one --filename="$(node "$one" 1)" \
		--name=two --filename="$(node "$two" 2)" && return 0
	sed 's/^/# /' /tmp/fio.log
	return 1
}

connect_over() { connect "$(transport "$1")" $target both 2; }

use() {
	await "$1-ready" && one=$(connect_over "$1") && two=$(connect_over "$1")
	result $? "$1: two controllers, with two drives each"
	[ "$(cat "/sys/class/nvme/nvme$one/queue_count")" -gt 2 ]
	result $? "$1: of several queues"
	tell "$1-connected"
	await "$1-go" && verified
	result $? "$1: what was written is read back"
	tell "$1-done"
	await "$1-look"
	disconnect "$one"
	disconnect "$two"
	tell "$1-end"
}

# Until it is told to stop; fails as soon as fio finds something else than it wrote.
under_load() {
	while [ ! -e /tmp/stop ]; do
		fio --name=load --filename="$(node "$one" 1)" --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
			--bsrange=8k-64k --size=1M --numjobs=2 --offset_increment=1M --verify=crc32c --verify_fatal=1 \
			--eta=never --output=/tmp/fio.log && continue
		sed 's/^/# /' /tmp/fio.log
		return 1
	done
}

# A machine that stands still for a second ends RDMA connections. The load reconnects after ten, and until then
# a new controller may be refused, for the number that the target gives it is that of the old one.
connect_under_load() { connect_over "$1" || { sleep 15 && connect_over "$1"; }; }

come_back() {
	rm -f /tmp/stop
	await "$1-load" && one=$(connect_over "$1")
	result $? "$1: connects once more"
	under_load &
	load=$!
	for _ in 1 2 3; do
		two=$(connect_under_load "$1") || break
		disconnect "$two"
	done
	[ -n "$two" ]
	result $? "$1: connects and disconnects under load"
	await "$1-back"
	result $? "$1: the provider has gone and come back"
	two=$(connect_under_load "$1") && dd if="$(node "$two" 2)" of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null
	result $? "$1: a new connection reads"
	disconnect "$two"
	: >/tmp/stop
	wait $load
	result $? "$1: fio has found nothing but what it wrote"
	disconnect "$one"
	tell "$1-loaded"
}

be_initiator() {
	plan 17
	ifconfig eth0 10.9.9.2 up && rdma link add rxe0 type rxe netdev eth0
	result $? "network is there"
	use tcp
	use rxe
	come_back tcp
	come_back rxe
	finish
}

case ${1:-},$# in
target,4) be_target "$2" "$3" "$4" ;;
initiator,1) be_initiator ;;
*) sed -n 's/^# nvmet-hosts/usage: nvmet-hosts/p' "$0" >&2; exit 2 ;;
esac
