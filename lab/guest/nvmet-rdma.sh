#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-rdma.sh MIB A PROVIDER: an NVMe-oF target on drive A, reached over RDMA devices made of software,
# where the CPU moves the data: RAM unless device_p2pmem_cpu is set, then PROVIDER's memory.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1 bytes=$(($1 << 20))

# over TYPE
over() {
	rdma link add "${1}0" type "$1" netdev dummy0
	result $? "$1: there is a device"

	nvmet-config.sh export "$1" 1 "$a" 1
	nvmet-config.sh port 1 rdma 10.9.9.1 4420 "$1"
	one=$(connect rdma 10.9.9.1 "$1") && phase "$1-ram" round_trip "$(node "$one" 1)"
	result $? "$1: data come back"
	[ "$(stat "$1" requests)" = 0 ] && more "$1" ram_cpu 0
	result $? "$1: it is in RAM, with the reason"
	disconnect "$one"
	nvmet-config.sh clear

	nvmet-config.sh export "$1" 1 "$a" 1 1
	nvmet-config.sh port 1 rdma 10.9.9.1 4420 "$1"
	one=$(connect rdma 10.9.9.1 "$1") && phase "$1-bar" round_trip "$(node "$one" 1)"
	result $? "$1: data come back with device_p2pmem_cpu"
	[ "$(stat "$1" cpu_bytes)" -ge $((2 * bytes)) ] && [ "$(stat "$1" ram_cpu)" = 0 ]
	result $? "$1: counted as moved by the CPU"
	before=$(stat "$1" ram_transport)
	dd if=/tmp/pattern of="$(node "$one" 1)" bs=4k count=1 oflag=direct 2>/dev/null
	more "$1" ram_transport "$before"
	result $? "$1: data that come with the command are counted"
	disconnect "$one"
	nvmet-config.sh clear
	rdma link delete "${1}0"
}

plan 13
announce "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
make_pattern "$mib"
ifconfig dummy0 10.9.9.1 up
over rxe
over siw
finish
