#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lockdown.sh PROVIDER [raise]: with the kernel locked down no BAR is registered on the administrator's word.
# PROVIDER is a device without another driver, whose BAR 2 has 64 MiB. With "raise" lockdown is not
# there yet: it is raised while the memory is registered and mapped.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

driver=/sys/bus/pci/drivers/pci-p2pmem-stub
resources=/sys/module/pci_p2pmem_stub/parameters/resources
security=/sys/kernel/security
refusal="cannot register BAR 2: the kernel is locked down"

# mode: what the kernel is locked down to
mode() { sed 's/.*\[\(.*\)\].*/\1/' $security/lockdown; }

# refused FILE TEXT: a write fails because it is not permitted
refused() {
	said=$( (echo "$2" >"$1") 2>&1)
	case $said in
	*"Operation not permitted"*) return 0 ;;
	esac
	echo "# write of '$2' to $1: ${said:-was taken}"
	return 1
}

# logged COUNT TEXT: the log has so many lines with that
logged() {
	count=$(dmesg | grep -c "$2")
	[ "$count" = "$1" ] || { echo "# the log says '$2' $count times"; return 1; }
}

# unbindable: to bind the provider is refused, with one line that says why, and leaves nothing
unbindable() {
	before=$(dmesg | grep -c "$bdf: $refusal")
	refused $driver/bind "$bdf" && logged $((before + 1)) "$bdf: $refusal" &&
		[ ! -e "$device/p2pmem" ] && [ ! -e "$device/driver" ]
}

[ -e $security/lockdown ] || mount -t securityfs securityfs $security
if [ ! -e "$driver" ] || [ ! -e $security/lockdown ]; then
	skip_all lockdown "this kernel has no lockdown, or no $driver"
fi
if [ "${2:-}" = raise ]; then
	plan 7
	bdf=$(drive_bdf "$1") && [ "$(mode)" = none ]
	result $? "registered without lockdown"
	P2P_PROVIDER=$bdf p2p_lockdown | sed 's/^/# /' >/tmp/said
	cat /tmp/said
	grep -q '^# # PASSED: 1 / 1' /tmp/said && [ "$(mode)" = integrity ]
	result $? "what is mapped when lockdown is raised stays, and is the last"
	logged 2 "$bdf: p2pmem/allocate: p2p_lockdown: the kernel is locked down"
	result $? "the log says why"
else
	plan 4
	bdf=$(lab_ask where "$1") && [ "$(mode)" = integrity ]
	result $? "locked down from the beginning"
fi
device=/sys/bus/pci/devices/$bdf
if [ "${2:-}" = raise ]; then
	echo "$bdf" >$driver/unbind && [ ! -e "$device/p2pmem" ]
	result $? "it can still be unbound"
fi
echo pci-p2pmem-stub >"$device/driver_override"
unbindable
result $? "the largest prefetchable BAR is not registered"
was=$(cat $resources)
refused $resources 0 && refused $resources "$bdf/2/0/2M" && [ "$(cat $resources)" = "$was" ]
result $? "nor can one be named"
logged 2 "resources: the kernel is locked down"
result $? "and the log says why"
finish
