#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# policy-boot-long.sh PROVIDER CLIENT: more in pci_p2pdma.host_bridges= on the kernel's command line than there is room for.
# The last entry forbids something, and nobody has read it: nothing that is not in the list may be open.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

param=/sys/module/pci_p2pdma/parameters/host_bridges

route() {
	grep -q "^$(drive_bdf "$provider") $(drive_bdf "$client") read=none write=none .*reason=$1 .*root=8086:29c0/$2" \
		/sys/kernel/debug/p2pdma/routes
}

plan 5
announce "$@"
result $? "drives are there"
provider=$1 client=$2
echo "# host_bridges=$(cat $param)"
[ "$(tr , '\n' <$param | grep -c "^10de:....=reads+writes+between$")" = 16 ]
result $? "the first 16 are there, in 496 characters"
dmesg | grep -q "P2PDMA: host_bridges=.*: entry 17: no room for more than 16: all that are not listed are taken for none" &&
	route root-complex-forbidden policy
result $? "the others are taken for none, which is said"
list=$(cat $param)
! { echo "$list" >$param; } 2>/dev/null && [ "$(cat $param)" = "$list" ] && route root-complex-forbidden policy
result $? "what is read there is not all, and cannot be written back for all"
echo >$param && route root-complex-unknown unknown
result $? "until somebody says what they are"
finish
