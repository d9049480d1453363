#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# policy-boot.sh PROVIDER CLIENT: a list in pci_p2pdma.host_bridges= on the kernel's command line that has slips in it:
# see there for the list. Nobody can correct it at boot, and nothing that it forbids may be open.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

param=/sys/module/pci_p2pdma/parameters/host_bridges

says() { dmesg | grep -q "P2PDMA: host_bridges=.*: entry $1"; }

plan 4
announce "$@"
result $? "drives are there"
echo "# host_bridges=$(cat $param)"
[ "$(cat $param)" = 8086:29c0=none,8086:2f00=reads,1022:1480=none,... ]
result $? "what cannot be understood is forbidden, what is there twice is what both allow, the rest is kept"
says "1 is taken for none" && says "3: its id is there already" && says "4: all that are not listed are taken for none: use VENDOR:DEVICE" && ! says 2 && ! says 5
result $? "each slip has a line"
grep -q "^$(drive_bdf "$1") $(drive_bdf "$2") read=none write=none .*reason=root-complex-forbidden .*root=8086:29c0/policy" \
	/sys/kernel/debug/p2pdma/routes
result $? "and the host bridge does not route"
finish
