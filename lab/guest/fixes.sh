#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fixes.sh FAULT ARGUMENT...: what shows a fault of the stock kernel, for which patches/fixes or the series has a fix.
# Some end the kernel where they are not mended.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
debug=/sys/kernel/debug

# The suite, once more now that allocations can be made to fail
kunit() {
	echo N >$debug/failslab/ignore-gfp-wait
	echo 0 >$debug/failslab/verbose
	echo again >"$debug/kunit/$1/run"
	cat "$debug/kunit/$1/results"
	# As long as no allocation could fail, which is so when the machine boots
	! grep "not tried" "$debug/kunit/$1/results"
}

# Programs map and unmap an attribute while it goes.
kernfs() {
	plan 1
	bdf=$(drive_bdf "$1")
	p2p_storm "$bdf" &
	storm=$!
	sleep 5
	echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
	wait $storm
	result $? "those that had mapped it have ended, and nobody was miscounted"
	finish
}

# ram_target TRTYPE: namespace 1 of s is a RAM disk
ram_target() {
	mkdir -p "$config/subsystems/s/namespaces/1" "$config/ports/1" &&
		echo 1 >"$config/subsystems/s/attr_allow_any_host" &&
		echo /dev/ram0 >"$config/subsystems/s/namespaces/1/device_path" &&
		echo 1 >"$config/subsystems/s/namespaces/1/enable" &&
		echo "$1" >"$config/ports/1/addr_trtype" || return 1
	if [ "$1" = tcp ]; then
		ifconfig lo up
		echo ipv4 >"$config/ports/1/addr_adrfam"
		echo 127.0.0.1 >"$config/ports/1/addr_traddr"
		echo 4420 >"$config/ports/1/addr_trsvcid"
	fi
	ln -s "$config/subsystems/s" "$config/ports/1/subsystems/s"
}

disable() { echo 0 >"$config/subsystems/s/namespaces/1/enable"; }

# A namespace is disabled under I/O, and everything taken down.
namespace() {
	plan 2
	ram_target loop
	one=$(connect loop "" s)
	disk=$(node "$one" 1)
	for _ in 1 2 3 4; do
		while dd if="$disk" of=/dev/null bs=4k count=1000 iflag=direct 2>/dev/null; do :; done &
	done
	sleep 1
	until_ok disable
	result $? "a namespace is disabled while it is read from"
	disconnect "$one"
	wait
	rm "$config/ports/1/subsystems/s"
	rmdir "$config/subsystems/s/namespaces/1" "$config/subsystems/s" "$config/ports/1"
	sleep 1
	! dmesg | grep -q nvmet_subsys_free
	result $? "the subsystem has gone after its namespace"
	finish
}

# A drive is reset, and the task goes on.
freeze() {
	plan 1
	bdf=$(drive_bdf "$1")
	echo 1 >"/sys/bus/pci/devices/$bdf/reset"
	! dmesg | grep -q "lock held when returning to user space"
	result $? "a reset leaves no lock behind in the task"
	finish
}

# A client keeps a namespace from being disabled. Its connection can be ended all the same.
config_sem() {
	plan 2
	ram_target tcp
	nvmet_stall 127.0.0.1 4420 s >/tmp/stall &
	stall=$!
	until_ok test -s /tmp/stall
	echo 0 >"$config/subsystems/s/namespaces/1/enable" &
	sleep 1
	rm "$config/ports/1/subsystems/s" &
	sleep 5
	[ ! -e "$config/ports/1/subsystems/s" ]
	result $? "the subsystem is taken off its port meanwhile"
	wait $stall
	until_ok grep -q 0 "$config/subsystems/s/namespaces/1/enable"
	result $? "so that the client has gone, and the namespace is disabled"
	finish
}

# A function is reset, which makes it forget where its CMB is.
cmb() {
	plan 3
	from=$(drive_node "$1")
	to=$(drive_node "$2")
	via=$(drive_bdf "$3")
	p2p_copy --from "$from" --to "$to" --via "$via" --bytes 1048576
	result $? "data get through the CMB"
	echo 1 >"/sys/bus/pci/devices/$via/reset"
	controller "$3" >/dev/null
	result $? "its drive is reset"
	sleep 1
	p2p_copy --from "$from" --to "$to" --via "$via" --bytes 1048576
	result $? "data get through the CMB again"
	finish
}

"$@"
