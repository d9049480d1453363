#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench.sh PATTERN...: run the operations of p2pdma_bench.ko whose names match, and tell the host what each took.
# "user" stands for those that a user program measures, "stacks" for those on what is made of drives. With -p the host
# makes a profile of it, and few rounds do.

# shellcheck source=/dev/null
. /p2p/lib.sh

ops=/sys/kernel/debug/p2pdma_bench

# The clients: their driver, which sets their DMA mask, is bound after the module could be loaded.
for drive in a b; do
	controller "$drive" >/dev/null || exit 1
done
insmod /lib/p2pdma_bench.ko || exit 1
profile=
if [ "$1" = -p ]; then
	profile=yes
	shift
	echo 3 >/sys/module/p2pdma_bench/parameters/rounds
	sed -n 's/^\([0-9a-f]*\) . \([^[]*\)\t\[p2pdma_bench\]$/# symbol \1 \2/p' /proc/kallsyms
fi

user() {
	for device in /sys/bus/pci/drivers/p2pdma_bench/0*; do
		/lib/user "${device##*/}" "$(drive_node a)"
		return
	done
}

# stacks: a drive, a head with two paths, and arrays and a volume of two drives
stacks() {
	for device in /sys/bus/pci/drivers/p2pdma_bench/0*; do
		provider=${device##*/}
	done
	a=$(drive_node a) b=$(drive_node b) head=$(drive_node c)
	/lib/user "$provider" "$a" drive || return 1
	/lib/user "$provider" "$head" multipath || return 1
	echo "0 8192 linear $a 0" | dmsetup create lab --noudevsync --noudevrules
	/lib/user "$provider" /dev/dm-0 linear || return 1
	dmsetup remove lab --noudevsync --noudevrules
	export MDADM_NO_UDEV=1
	mkdir -p /run/mdadm
	for level in 0 1; do
		mdadm --create /dev/md0 --run --force --metadata=1.0 --level=$level --raid-devices=2 --size=8M --assume-clean "$a" "$b" \
			</dev/null >/tmp/mdadm.log 2>&1
		/lib/user "$provider" /dev/md0 raid$level || return 1
		mdadm --quiet --stop /dev/md0
		mdadm --quiet --zero-superblock "$a" "$b"
	done
}

set -f
names=
for pattern in "$@"; do
	case $pattern in
	user | stacks)
		names="$names $pattern"
		continue
		;;
	esac
	# shellcheck disable=SC2086 # a pattern
	found=$(cd "$ops" && set +f && ls -d $pattern) || exit 1
	names="$names $found"
done
set +f
# shellcheck disable=SC2086 # a list of words
set -- $names
plan $#
for name in "$@"; do
	if [ "$name" = user ] || [ "$name" = stacks ]; then
		"$name"
		status=$?
	else
		[ -z "$profile" ] || lab profile begin
		figures=$(cat "$ops/$name")
		status=$?
		[ -z "$profile" ] || lab profile end
		[ $status = 0 ] && echo "# bench $name $figures"
	fi
	result $status "$name"
done
finish
