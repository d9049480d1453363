# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sourced after nvmet-lib.sh: RDMA devices of software whose cards are PCI functions, and wires between them
# (see lab/modules/).

card_driver=/sys/bus/pci/drivers/dma_card
card_param=/sys/module/dma_card/parameters
card_bytes=/sys/kernel/debug/dma_card

load_cards() {
	for module in dma_card lab_rxe lab_siw wire; do
		insmod /lib/$module.ko || return 1
	done
	# Both ends of a wire are this machine.
	echo 1 >/proc/sys/net/ipv4/conf/all/accept_local
	# What a card of software does to peer memory is no access by a CPU: the host knows it by its instruction.
	lab card "$(cat $card_bytes/instruction)"
}

# wire N: from 10.9.N.1 (target) to 10.9.N.2 (client).  One CPU receives: two would change the order of packets, as no
# wire does, and rxe may wait for ever then.
wire() {
	for end in "target$1 10.9.$1.1" "client$1 10.9.$1.2"; do
		echo 1 >"/sys/class/net/${end% *}/queues/rx-0/rps_cpus" && ifconfig "${end% *}" "${end#* }" up || return 1
	done
}

# rdma_soft TYPE NAME NETDEV: an RDMA device without a card
rdma_soft() { rdma link add "$2" type "$1" netdev "$3"; }

# rdma_card TYPE NAME NETDEV BDF: an RDMA device that does its DMA by this function
rdma_card() {
	[ -e "$card_driver/$4" ] ||
		{ echo dma_card >"/sys/bus/pci/devices/$4/driver_override" && echo "$4" >$card_driver/bind; } || return 1
	echo "$4" >$card_param/dma_device
	rdma_soft "$1" "$2" "$3"
	status=$?
	echo >$card_param/dma_device
	[ $status = 0 ] && [ "$(readlink -f "/sys/class/infiniband/$2/device")" = "$(readlink -f "/sys/bus/pci/devices/$4")" ]
}

# retries: how often RDMA devices have repeated something so far, as answers were late on a busy machine
retries() { cat /sys/class/infiniband/*/ports/1/hw_counters/*retry_err /sys/class/infiniband/*/ports/1/hw_counters/duplicate_request \
	2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'; }

# card_mark BDF: count what the card moves from here
card_mark() { cat "$card_bytes/$1" >"/tmp/card-$1" && retries >/tmp/retries; }
# moved_by BDF NAME: since then; by use (from the end of who posts reads and writes) and kind of address
moved_by() { echo $(($(sed -n "s/^$2 //p" "$card_bytes/$1") - $(sed -n "s/^$2 //p" "/tmp/card-$1"))); }

# card_moved BDF NAME=BYTES|NAME~BYTES...: just that, as far as named; ~ leaves room for data of a few admin commands.
# What is repeated is moved once more, at most a command of 256 KiB (see write_pattern) each time.
card_moved() {
	card=$1 repeated=$(($(retries) - $(cat /tmp/retries)))
	shift
	[ $repeated = 0 ] || echo "# $card: $repeated retries"
	for want in "$@"; do
		what=${want%%[=~]*} bytes_wanted=${want#*[=~]} room=0
		case $want in *~*) room=65536 ;; esac
		[ "$bytes_wanted" = 0 ] || room=$((room + repeated * 262144))
		got=$(moved_by "$card" "$what")
		if [ "$got" -lt "$bytes_wanted" ] || [ "$got" -gt $((bytes_wanted + room)) ]; then
			echo "# $card: $what is $got, expected $bytes_wanted"
			return 1
		fi
	done
}

# serve NQN ADDRESS P2PMEM DRIVE: over RDMA
serve() { nvmet-config.sh export "$1" 1 "$4" "$3" && nvmet-config.sh port 1 rdma "$2" 4420 "$1"; }

# settle DISK: wait for the end of what the kernel reads of a new one; that it has begun shows in the first number
settle() {
	was=
	until now=$(cat "/sys/block/${1##*/}/stat") && [ "$now" = "$was" ] && [ "$(echo "$now" | awk '{ print $1 }')" -gt 0 ]; do
		was=$now
		sleep 1
	done
}

# client NQN N: connect over wire N, print the number of the host's controller
client() { number=$(connect rdma "10.9.$2.1" "$1" 1 "host_traddr=10.9.$2.2") && settle "$(node "$number" 1)" && echo "$number"; }

# stop INSTANCE
stop() { disconnect "$1" && nvmet-config.sh clear; }
