#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# md-replace.sh PROVIDER A B C FAR: members of mirrors are replaced, or fail, while data in peer memory are written; raid10
# with far and offset copies; libaio. FAR does not reach the provider.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"

export MDADM_NO_UDEV=1 P2P_PROVIDER tries=300
mkdir -p /run/mdadm
member=8	# of each
stop=/tmp/stop state=/tmp/state

# make LEVEL ARGUMENT...: an array, as soon as it is in sync
make() {
	level=$1
	shift
	rm -f $state
	mdadm --create $md --run --force --metadata=1.0 --level="$level" --size="${member}M" --bitmap=internal \
		--bitmap-chunk=64K "$@" </dev/null >/tmp/mdadm.log 2>&1 || { sed 's/^/# /' /tmp/mdadm.log; return 1; }
	in_sync
}

end() { until_ok mdadm --quiet --stop $md && mdadm --quiet --zero-superblock "$@" 2>/dev/null; }

# stress, unstress: write, read and compare meanwhile, with and without waiting
stress() {
	rm -f $stop
	[ -e $state ] || p2p_stress $md "$member" $state >/dev/null
	p2p_stress $md "$member" $state $stop >/tmp/stress 2>&1 &
	stress=$!
	sleep 1
}
unstress() {
	: >$stop
	wait $stress
	status=$?
	sed 's/^/# /' /tmp/stress
	in_sync
	return $status
}

# same: all copies, whatever the layout, and nothing is lost
same() {
	until_ok sync_ended
	echo check >/sys/block/md0/md/sync_action && in_sync && [ "$(cat /sys/block/md0/md/mismatch_cnt)" = 0 ] &&
		grep -q "\[U*\]" /proc/mdstat && p2p_stress $md "$member" $state >/dev/null
}

refused_some() { ! grep -q " refused=0 " /tmp/stress; }

replaced() { ! grep -q "(R)" /proc/mdstat && sync_ended && grep -q "${1##*/}.*(F)" /proc/mdstat; }

# replace OLD NEW: NEW takes its place, without the array being without it meanwhile
replace() {
	mdadm --quiet $md --add "$2" && mdadm --quiet $md --replace "$1" --with "$2" && until_ok replaced "$1" &&
		mdadm --quiet $md --remove "$1"
}

# a_level LEVEL ARGUMENT...: what both do alike
a_level() {
	make "$@" --raid-devices=2 "$a" "$b"
	result $? "raid$1"
	stress && replace "$b" "$c" && unstress && ! refused_some && same && equal "$a" "$c"
	result $? "raid$1: a member is replaced under load"
	half_way=$(said "refused half-way")
	stress && replace "$c" "$far" && unstress && refused_some && same && equal "$a" "$far" &&
		[ "$(said "refused half-way")" = "$half_way" ]
	result $? "raid$1: by one that does not reach the memory: writes are refused, before any member has them"
	stress && replace "$far" "$b" && unstress && refused_some && same && equal "$a" "$b"
	result $? "raid$1: and back"
	stress && unstress && ! refused_some && same
	result $? "raid$1: writes pass again"
	all=0
	stress
	for _ in 1 2 3; do
		mdadm --quiet $md --fail "$b" && until_ok mdadm --quiet $md --remove "$b" 2>/dev/null &&
			mdadm --quiet $md --re-add "$b" && in_sync || all=1
	done
	unstress && [ $all = 0 ] && ! refused_some && same && equal "$a" "$b"
	result $? "raid$1: a member fails under load, and can be removed"
	load $md "$member" 3 --ioengine=libaio && rm -f $state && same && equal "$a" "$b"
	result $? "raid$1: libaio, verified"
	end "$a" "$b" "$c" "$far"
}

# a_layout LAYOUT: of raid10, which has three members then
a_layout() {
	make 10 --layout="$1" --raid-devices=3 "$a" "$b" "$c" && stress && echo repair >/sys/block/md0/md/sync_action &&
		unstress && ! refused_some && same
	result $? "raid10, layout $1"
	stress
	for _ in 1 2 3; do
		echo 1 >"/sys/bus/pci/devices/$P2P_PROVIDER/reset"
		sleep 0.3
	done
	unstress && refused_some && same
	result $? "raid10, layout $1: the provider is reset"
	end "$a" "$b" "$c"
	make 10 --layout="$1" --raid-devices=3 "$a" "$b" "$far" && stress && unstress && refused_some && same
	result $? "raid10, layout $1, with a member that does not reach the memory"
	end "$a" "$b" "$far"
}

plan 21
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
P2P_PROVIDER=$(drive_bdf "$1")
card=$P2P_PROVIDER
memory=/sys/bus/pci/devices/$card/p2pmem/allocate
a=$(drive_node "$2")
b=$(drive_node "$3")
c=$(drive_node "$4")
far=$(drive_node "$5")
a_level 1
a_level 10
a_layout f2
a_layout o2
finish
