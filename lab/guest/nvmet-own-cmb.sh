#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-own-cmb.sh PROVIDER OWN: an NVMe-oF target on drive OWN, which has metadata and a CMB. It takes no commands with
# data in that and metadata in RAM, so its CMB, though nearest, is not for its own commands.
# shellcheck disable=SC2154 # of nvmet-lib.sh

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

# serves_from CHOICE: whatever stands behind the controller in p2pmem_stats
serves_from() { grep -q "^controller [0-9]* $1$" "$config/subsystems/own/namespaces/1/p2pmem_stats"; }

# serve PROVIDER: the one of that name, or any
serve() {
	nvmet-config.sh export own 1 "$drive" "$1" 1 && nvmet-config.sh port 1 tcp 127.0.0.1 4420 own &&
		one=$(connect tcp 127.0.0.1 own) && disk=$(node "$one" 1)
}

plan 6
announce "$@" && announce_bar "$1" && announce_bar "$2"
result $? "drives and peer memory are there"
provider=$(drive_bdf "$1") drive=$(drive_node "$2") own=$(drive_bdf "$2")
integrity=/sys/block/${drive##*/}/integrity
[ "$(cat "$integrity/write_generate")$(cat "$integrity/read_verify")" = 11 ] && echo 0 >"$integrity/write_generate" &&
	echo 0 >"$integrity/read_verify" && make_pattern 1
result $? "protection information is there, and left to the drive"

serve 1 && serves_from "$provider"
result $? "the other provider is chosen"
round_trip "$disk" && more own cpu_requests 0 && [ "$(stat own interrupted)" = 0 ]
result $? "and used, and no command is refused"
disconnect "$one" && nvmet-config.sh clear

serve "$own" && serves_from unreachable && round_trip "$disk" && more own ram_unreachable 0 && [ "$(stat own requests)" = 0 ] &&
	[ "$(stat own interrupted)" = 0 ]
result $? "its own CMB, if it is named, is as one out of reach"
disconnect "$one" && nvmet-config.sh clear
result $? "everything is taken away"
finish
