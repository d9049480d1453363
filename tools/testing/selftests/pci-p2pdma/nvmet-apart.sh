#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-apart.sh MIB A LENDER: an NVMe-oF target on drive A, which does not reach LENDER's memory: who
# names LENDER is refused, who leaves the choice to the target is served from RAM and told why.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1
plan 7
announce "$2" "$3" && lend "$3"
result $? "drives and lent memory are there"
a=$(drive_node "$2")
lender=$(drive_bdf "$3")
make_pattern "$mib"

config=/sys/kernel/config/nvmet
ns=$config/subsystems/apart/namespaces/1
mkdir -p $ns
echo "$a" >$ns/device_path
refuses $ns/p2pmem "$lender" "Remote I/O error" "cannot reach the memory" "a lender out of reach is refused"
echo /dev/nothing >$ns/device_path
echo "$lender" >$ns/p2pmem
echo "$a" >$ns/device_path
refuses $ns/enable 1 "Remote I/O error" "cannot reach the memory" "also where only enabling can tell"
nvmet-config.sh clear

new_log
nvmet-config.sh export apart 1 "$a" 1 1
nvmet-config.sh port 1 tcp 127.0.0.1 4420 apart
one=$(connect tcp 127.0.0.1 apart) && phase apart round_trip "$(node "$one" 1)"
result $? "without a lender in reach data come back"
[ "$(stat apart requests)" = 0 ] && more apart ram_unreachable 0
result $? "from RAM, counted"
since_log | grep -q "data in RAM: no lent memory that both"
result $? "and told"
disconnect "$one"
nvmet-config.sh clear
result $? "everything is taken away"
finish
