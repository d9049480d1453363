#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# outage.sh PROVIDER FROM TO: the function that provides memory is reset again and again while drives do
# direct I/O with it. What was on its way fails, nothing wrong succeeds, and it goes on afterwards.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

provider=$1 source=$2 target=$3
rounds=10
stop=/tmp/p2p-stop.$$
said=/tmp/p2p-said.$$
trap 'rm -f $stop $said' EXIT

resets() {
	for _ in $(seq $rounds); do
		sleep 0.2
		echo 1 >"/sys/bus/pci/devices/$card/reset" || return 1
	done
}

# with VERB...: direct I/O meanwhile
with() {
	rm -f $stop
	P2P_PROVIDER=$card p2p_outage "$from" "$to" $stop >$said &
	worker=$!
	sleep 0.5
	"$@"
	done=$?
	sleep 0.5
	: >$stop
	wait $worker
	intact=$?
	sed 's/^/# /' $said
	return $done
}

failed_some() { ! grep -q "failed=0 .*failed=0 " $said; }
succeeded_some() { ! grep -q -e "reads=0 " -e "writes=0 " $said; }

# write_command BYTE: write it, in octal, into the low byte of the Command register
write_command() { printf '%b' "\\0$1" | dd of="/sys/bus/pci/devices/$card/config" bs=1 seek=4 conv=notrunc 2>/dev/null; }

# Memory decoding is turned off and on again, by somebody who writes to config space.
decoding() {
	for _ in $(seq $rounds); do
		write_command 4 && sleep 0.1 && write_command 6 && sleep 0.2 || return 1
	done
}

plan 10
announce "$provider" "$source" "$target" &&
	card=$(drive_bdf "$provider") && from=$(drive_node "$source") && to=$(drive_node "$target")
result $? "drives are there"
free=$(cat "/sys/bus/pci/devices/$card/p2pmem/available")
echo "# reset methods: $(cat "/sys/bus/pci/devices/$card/reset_method")"

with true && [ $intact = 0 ] && succeeded_some && ! failed_some
result $? "direct I/O without a reset"

with resets
result $? "the function can be reset under use"
[ $intact = 0 ]
result $? "no wrong byte with good status, no other error"
failed_some
result $? "what was on its way failed"
succeeded_some
result $? "the rest succeeded"

with decoding && [ $intact = 0 ] && failed_some
result $? "no wrong byte with good status while memory decoding goes off and on"
succeeded_some
result $? "the rest succeeded"

with true && [ $intact = 0 ] && succeeded_some && ! failed_some
result $? "afterwards it goes on"
[ "$(cat "/sys/bus/pci/devices/$card/p2pmem/available")" = "$free" ]
result $? "nothing lost: $free bytes are free"
finish
