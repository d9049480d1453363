#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-unreachable.sh MIB A PROVIDER: an NVMe-oF target on drive A, which does not reach PROVIDER's memory: who
# names PROVIDER is refused, who leaves the choice to the target is served from RAM and told why. What else is restored
# is not held up by it.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1
plan 9
announce "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
provider=$(drive_bdf "$3")
make_pattern "$mib"

config=/sys/kernel/config/nvmet
ns=$config/subsystems/unreachable/namespaces/1
mkdir -p $ns
echo "$a" >$ns/device_path
refuses $ns/p2pmem "$provider" "Remote I/O error" "cannot reach the memory" "a provider out of reach is refused"
echo /dev/nothing >$ns/device_path
echo "$provider" >$ns/p2pmem
echo "$a" >$ns/device_path
refuses $ns/enable 1 "Remote I/O error" "cannot reach the memory" "also where only enabling can tell"
nvmet-config.sh clear

new_log
nvmet-config.sh export unreachable 1 "$a" 1 1
nvmet-config.sh port 1 tcp 127.0.0.1 4420 unreachable
one=$(connect tcp 127.0.0.1 unreachable) && phase unreachable round_trip "$(node "$one" 1)"
result $? "without a provider in reach data come back"
[ "$(stat unreachable requests)" = 0 ] && more unreachable ram_unreachable 0
result $? "from RAM, counted"
since_log | grep -q "data in RAM: no peer memory that both"
result $? "and told"
disconnect "$one"

# As if it had been saved when there was a route
nvmet-config.sh export unreachable 2 /dev/ram0 0
nvmet-config.sh save 2>/dev/null | sed "s/p2pmem 1$/p2pmem $provider/" >/tmp/saved
nvmet-config.sh clear
nvmet-config.sh restore /tmp/saved 2>/tmp/said
[ $? = 3 ] && grep -q "the kernel says: .*unreachable nsid 1: .*cannot reach the memory" /tmp/said &&
	grep -q "unreachable/namespaces/1 stays disabled" /tmp/said
result $? "what named a provider when there was a route is left out of what is restored, with the reason"
one=$(connect tcp 127.0.0.1 unreachable 2)
result $? "another namespace is served"
disconnect "$one"
nvmet-config.sh clear
result $? "everything is taken away"
finish
