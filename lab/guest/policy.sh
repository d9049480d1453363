#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# policy.sh PROVIDER FROM TO: what the administrator says of a host bridge that the kernel does not know
# takes effect at once, for each direction, and can be taken back.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

provider=$1 source=$2 target=$3
mib=1
param=/sys/module/pci_p2pdma/parameters/host_bridges
routes=/sys/kernel/debug/p2pdma/routes
FILL=3 DRAIN=4

# copy STATUS: what a copy has to come to
copy() {
	said=$(p2p_copy --from "$from" --to "$to" --via "$card" --bytes $((mib << 20)) 2>&1)
	status=$?
	echo "# $said"
	[ $status = "$1" ]
}

# route READ WRITE REASON: what the verdict on FROM has to be
route() { grep -q "^$card $(drive_bdf "$source") read=$1 write=$2 .*reason=$3 " $routes; }

plan 10
announce "$provider" "$source" "$target"
result $? "drives are there"
from=$(drive_node "$source")
to=$(drive_node "$target")
card=$(drive_bdf "$provider")
root=/sys/bus/pci/devices/0000:00:00.0
read -r vendor <$root/vendor
read -r device <$root/device
bridge=${vendor#0x}:${device#0x}

route none none root-complex-unknown && copy $FILL
result $? "unknown: refused"
echo "$bridge=writes" >$param && route none host-bridge root-complex-writes-only && copy $DRAIN
result $? "writes: filling the memory works, draining is refused"
[ "$(cat $param)" = "$bridge=writes" ]
result $? "the policy reads as it was written"
echo "$bridge=reads" >$param && route host-bridge none root-complex-reads-only && copy $FILL
result $? "reads: filling is refused"
echo "ffff:ffff,$bridge" >$param && route host-bridge host-bridge root-complex && copy 0
result $? "both: a copy"
[ "$(digest "$from" 0 $mib)" = "$(digest "$to" 0 $mib)" ]
result $? "contents equal"
bad=
for text in "$bridge=" "$bridge=between" "$bridge=reads+" "$bridge,," 8086 8086:12345 :1; do
	echo "$text" 2>/dev/null >$param && bad="$bad '$text'"
done
[ -z "$bad" ] || echo "# accepted:$bad"
[ -z "$bad" ] && route host-bridge host-bridge root-complex
result $? "what cannot be understood is refused and changes nothing"
# By now its verdict is cached, so that a change of it is noticed.
uevent env >/tmp/uevents &
listener=$!
sleep 1
echo >$param && route none none root-complex-unknown && copy $FILL
result $? "taken back: refused again"
until_ok grep -q "^P2PDMA_EVENT=verdicts$" /tmp/uevents && grep -q "^DEVPATH=.*/$card$" /tmp/uevents
result $? "and programs hear of it"
kill $listener
finish
