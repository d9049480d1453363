#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# p2ptopo.sh: the tool beside the kernel, on what the guest has: live as root and as somebody else, and from what
# lspci prints.

# shellcheck source=/dev/null
. /p2p/lib.sh

cpu=$(sed -n 's/^vendor_id.*AuthenticAMD/amd/p' /proc/cpuinfo | head -n 1)
family=$(sed -n 's/^cpu family[^0-9]*//p' /proc/cpuinfo | head -n 1)
cpu=${cpu:-other}:${family:-0}	# arm64 has none
policy=$(cat /sys/module/pci_p2pdma/parameters/host_bridges)

# routes COMMAND...: CLIENT PROVIDER CERTAINTY READ WRITE DISTANCE REASON PORT, one line for each pair
routes() {
	"$@" >/tmp/json || return 1
	sed -n '/"routes"/,$s/^ *"\(client\|provider\|certainty\|read\|write\|distance\|reason\|port\)": "\?\([^",]*\)"\?,\?$/\2/p' \
		/tmp/json | xargs -n 8
}

# offline NAME OPTION...: what comes of a dump that lspci makes here is what comes live
offline() {
	lspci "$2" >/tmp/dump 2>/dev/null
	routes p2ptopo --json --all --cpu "$cpu" --policy "$policy" -F /tmp/dump >/tmp/offline
	[ -s /tmp/live ] && cmp -s /tmp/live /tmp/offline
	result $? "$1: the same verdicts as live"
	diff /tmp/live /tmp/offline | head -n 20 | sed 's/^/# /'
}

plan 11
drivers_ready() { [ -e /sys/kernel/debug/p2pdma/route ]; }
drivers_ready
result $? "the kernel can be asked"
routes p2ptopo --json --all >/tmp/live
status=$?
asked=$(sed -n 's/^ *"kernel_asked": \([0-9]*\),\?$/\1/p' /tmp/json)
p2ptopo --all | sed 's/^/# /'
[ $status = 0 ] && [ "${asked:-0}" -gt 3 ] && [ "$asked" = "$(wc -l </tmp/live)" ] && ! grep -qv ' certain ' /tmp/live
result $? "live, all pairs: what the kernel says"
# It is asked by netlink: debugfs is not missed.
umount /sys/kernel/debug
routes p2ptopo --json --all >/tmp/netlink
asked=$(sed -n 's/^ *"kernel_asked": \([0-9]*\),\?$/\1/p' /tmp/json)
mount -t debugfs none /sys/kernel/debug
[ "${asked:-0}" -gt 3 ] && [ "$asked" = "$(wc -l </tmp/live)" ] && cmp -s /tmp/live /tmp/netlink
result $? "the same without debugfs"
offline "lspci -xxxx" -xxxx
offline "lspci -vvnn" -vvnn

# Who is not root gets 64 bytes. Whatever he then is told of a pair, root is told as well, or it is unknown.
mkdir -p /etc
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
rm -f /tmp/json
echo >/tmp/json
chmod 666 /tmp/json
su nobody -s /bin/sh -c 'PATH=/bin; p2ptopo --json --all' >/tmp/nobody.json
routes cat /tmp/nobody.json >/tmp/nobody
[ "$(wc -l </tmp/nobody)" = "$(wc -l </tmp/live)" ] && [ "$(cut -d ' ' -f 1-2 /tmp/nobody)" = "$(cut -d ' ' -f 1-2 /tmp/live)" ]
result $? "not root: all pairs"
grep ' certain ' /tmp/nobody | cut -d ' ' -f 1-5 >/tmp/certain
cut -d ' ' -f 1-5 /tmp/live >/tmp/all
! grep -vxFf /tmp/all /tmp/certain
result $? "not root: nothing that root is not told, and nothing is taken for good"
echo "# not root: $(grep -c ' unknown ' /tmp/nobody) unknown, $(wc -l </tmp/certain) certain"

# Readiness: a guest is never ready for certain (a verdict is not what the host does), and who may not read says so.
p2ptopo doctor >/tmp/doctor
status=$?
sed 's/^/# /' /tmp/doctor
{ [ $status = 3 ] || [ $status = 4 ]; } && grep -q '^unknown  hypervisor' /tmp/doctor && grep -q '^ok       kernel' /tmp/doctor &&
	grep -q '^ok       lockdown' /tmp/doctor && grep -q '^ok       acs' /tmp/doctor
result $? "doctor"
# shellcheck disable=SC2016
su nobody -s /bin/sh -c 'PATH=/bin; p2ptopo doctor' >/tmp/doctor
status=$?
{ [ $status = 3 ] || [ $status = 4 ]; } && ! grep -q '^ok       acs .*[1-9][0-9]* ports' /tmp/doctor && ! grep -q '^ok       \(lockdown\|payload\|tags\)' /tmp/doctor
result $? "doctor, not root: what is not read is not fine"

# Each provider and each other device: of a pair it says what the kernel does.
wrong=0
while read -r client provider _ read write _; do
	[ "$client" != "$provider" ] || continue
	p2ptopo doctor "$client" "$provider" >/tmp/doctor
	case $read$write in
	*none*)	expected=problem ;;
	*)	expected=ok ;;
	esac
	grep -q "^$expected *route *reads $read, writes $write" /tmp/doctor && grep -q '^ok *kernel-says' /tmp/doctor || wrong=$((wrong + 1))
done </tmp/live
[ $wrong = 0 ]
result $? "doctor of each pair: the kernel's route"
p2ptopo --svg | grep -q '^</svg>' && p2ptopo --dot | grep -q '^}' && p2ptopo --nccl | grep -q '^</system>'
result $? "pictures"
finish
