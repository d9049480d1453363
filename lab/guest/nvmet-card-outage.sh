#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-card-outage.sh A PROVIDER B: an NVMe/RDMA host whose card reads remote drives (A, B) straight into PROVIDER's memory,
# and writes them from there, while PROVIDER is reset again and again: what was on its way fails, nothing wrong succeeds.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/card-lib.sh"

stop=/tmp/p2p-stop.$$
said=/tmp/p2p-said.$$

resets() {
	for _ in $(seq 12); do
		sleep 0.3
		echo 1 >"/sys/bus/pci/devices/$provider/reset" || return 1
	done
}

# with COMMAND...: direct I/O of the remote drives meanwhile
with() {
	rm -f $stop
	P2P_PROVIDER=$provider p2p_outage "$from" "$to" $stop >$said &
	worker=$!
	sleep 0.5
	"$@"
	done=$?
	sleep 1
	: >$stop
	wait $worker
	intact=$?
	sed 's/^/# /' $said
	return $done
}

failed_some() { ! grep -q "failed=0 .*failed=0 " $said; }
succeeded_some() { ! grep -q -e "reads=0 " -e "writes=0 " $said; }

plan 9
load_cards && wire 0
result $? "a wire"
announce "$1" "$3" "$2" && announce_bar "$2"
result $? "drives and peer memory are there"
a=$(drive_node "$1")
b=$(drive_node "$3")
provider=$(drive_bdf "$2")
rdma_soft rxe target0 target0 && rdma_card rxe near client0 "$(lab_ask where near)" &&
	nvmet-config.sh export both 1 "$a" 0 && nvmet-config.sh export both 2 "$b" 0 &&
	nvmet-config.sh port 1 rdma 10.9.0.1 4420 both &&
	one=$(connect rdma 10.9.0.1 both 2 host_traddr=10.9.0.2) && from=$(node "$one" 1) && to=$(node "$one" 2)
result $? "a client's card below the switch is connected"
with true && [ $intact = 0 ] && succeeded_some && ! failed_some
result $? "direct I/O without a reset"
with resets && failed_some
result $? "provider reset: what was on its way failed"
[ $intact = 0 ]
result $? "no wrong byte with good status, no other error"
succeeded_some
result $? "the rest succeeded"
with true && [ $intact = 0 ] && succeeded_some && ! failed_some
result $? "afterwards it goes on"

# A write that waits for three seconds before the card has to do with it
start_of() { dd if="$1" bs=64k count=1 iflag=direct 2>/dev/null | sha256sum; }
dd if=/dev/urandom of="$from" bs=64k count=1 oflag=direct 2>/dev/null
had=$(start_of "$to")
echo "0 2048 delay $to 0 0 $to 0 3000" | dmsetup create lab --noudevsync --noudevrules
p2p_copy --from "$from" --to /dev/dm-0 --via "$provider" --bytes 65536 >/tmp/waits 2>&1 &
worker=$!
sleep 1
echo 1 >"/sys/bus/pci/devices/$provider/reset" && kill -0 $worker && ! wait $worker && grep -q "errno 121" /tmp/waits &&
	[ "$(start_of "$to")" = "$had" ]
result $? "what the provider was reset under while it waited is not sent: $(cat /tmp/waits)"
until_ok dmsetup remove lab --noudevsync --noudevrules
stop "$one"
finish
