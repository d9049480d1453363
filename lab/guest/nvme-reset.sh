#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvme-reset.sh PROVIDER FROM TO [suspend]: copies go on while the controllers are reset, and end when the
# provider's driver is taken away; or all devices are suspended and resumed, which a copy that is under way
# does not survive, as the provider may lose what is in its memory. What was registered stays registered, what was
# copied arrives, and nothing waits for ever.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

provider=$1 source=$2 target=$3
# Small, as an emulated CPU clears it 8 bytes at a time: many copies matter here, not long ones.
bytes=$((256 << 10))
stop=/tmp/p2p-stop.$$
count=/tmp/p2p-count.$$
may_fail=0
trap 'rm -f $stop $count' EXIT

copy() { p2p_copy --from "$from" --to "$to" --via "$card" --bytes $bytes 2>&1; }

# Until it is told to stop; fails as soon as more copies do than $may_fail.
copies() {
	while [ ! -e $stop ]; do
		if said=$(copy); then
			echo >>$count
		else
			echo "# ${said}"
			[ $((may_fail -= 1)) -ge 0 ] || return 1
		fi
	done
}

begin() {
	rm -f $stop
	: >$count
	copies &
	worker=$!
	more || echo "# no copy has begun"
}

# more: at least one copy that began after this was called has ended
more() {
	had=$(wc -l <$count)
	for _ in $(seq 300); do
		[ "$(wc -l <$count)" -ge $((had + 2)) ] && return 0
		kill -0 $worker 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

end() { : >$stop; wait $worker; }

live() {
	for _ in $(seq 100); do
		[ "$(cat "$1/state")" = live ] && return 0
		sleep 0.1
	done
	return 1
}

# reset SERIAL: its controller
reset() {
	ctrl=$(controller "$1") && echo 1 >"$ctrl/reset_controller" && live "$ctrl" && more
}

start_of() {
	blockdev --flushbufs "$1"
	dd if="$1" bs=$bytes count=1 2>/dev/null | sha256sum
}
intact() { [ "$(start_of "$from")" = "$(start_of "$to")" ]; }
available() { cat "$p2pmem/available"; }

# cut_off: the second of two transfers waits for seconds, until an outage has come and gone and the drive is reset
cut_off() {
	ctrl=$(controller "$target")
	lab slow "$target"
	dd if="$to" of=/dev/null bs=$bytes count=1 iflag=direct 2>/dev/null
	copy >/tmp/cut-off &
	worker=$!
	sleep 1
	kill -0 $worker && echo 1 >"/sys/bus/pci/devices/$card/reset" && kill -0 $worker && echo 1 >"$ctrl/reset_controller"
	cut_off=$?
	lab release "$target"
	if wait $worker; then
		echo "# the write was repeated from memory that had lost it"
		false
	else
		sed 's/^/# /' /tmp/cut-off
		[ $cut_off = 0 ] && grep -q "errno 121" /tmp/cut-off && live "$ctrl" && live "$(controller "$provider")" && copy | sed 's/^/# /' && intact
	fi
	result $? "a write that an outage and a reset of its drive cut off is not repeated"
}

sleep_and_wake() {
	plan 5
	announce "$provider" "$source" "$target"
	result $? "drives are there"
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	echo devices >/sys/power/pm_test
	may_fail=1
	begin
	echo mem >/sys/power/state && more
	result $? "copies go on after all devices were suspended and resumed"
	end
	result $? "each copy but the one under way succeeded"
	intact
	result $? "contents equal"

	# What is slow is under way then, between two transfers
	lab slow "$target"
	p2p_copy --from "$from" --to "$to" --via "$card" --bytes $bytes --chunk 16384 >/tmp/asleep 2>&1 &
	worker=$!
	sleep 1
	kill -0 $worker && echo mem >/sys/power/state
	lab release "$target"
	! wait $worker && grep -q "errno 14)" /tmp/asleep
	result $? "a program that had memory mapped has it no more: $(cat /tmp/asleep)"
	finish
}

card=$(drive_bdf "$provider") && from=$(drive_node "$source") && to=$(drive_node "$target") || exit 1
p2pmem=/sys/bus/pci/devices/$card/p2pmem
[ "${4:-}" = suspend ] && sleep_and_wake

# QEMU does not come back from a reset of a drive that it holds back while it reads a CMB by way of an IOMMU.
iommu=$(ls /sys/class/iommu)
plan $((11 - (${#iommu} > 0)))
announce "$provider" "$source" "$target"
result $? "drives are there"
free=$(available)
begin
reset "$source" && reset "$target" && reset "$provider" && reset "$provider"
result $? "copies go on after each controller was reset"
end
result $? "each copy succeeded"
intact
result $? "contents equal"

# A reset of the function takes the decoding of an NVMe 1.4 CMB away.
echo 1 >"/sys/bus/pci/devices/$card/reset" && live "$(controller "$provider")" && copy | sed 's/^/# /' && intact
result $? "a copy after the provider's function was reset"
[ "$(available)" = "$free" ]
result $? "nothing lost: $(available) bytes of $free are free"

[ -n "$iommu" ] || cut_off

begin
timeout 30 sh -c "echo $card >/sys/bus/pci/drivers/nvme/unbind"
result $? "the provider's driver can be taken away while its memory is in use"
if end; then
	echo "# copies went on without their memory"
	false
elif [ -e "$p2pmem" ]; then
	false
fi
result $? "its memory is gone, copies fail"
echo "$card" >/sys/bus/pci/drivers/nvme/bind && controller "$provider" >/dev/null && copy | sed 's/^/# /' && intact
result $? "and comes back with the driver"

# Its registers are somewhere else for that long: there is nothing to be reset. The CMB has a BAR of its own.
ctrl=$(controller "$provider")
config=/sys/bus/pci/devices/$card/config
dd if="$config" of=/tmp/bar0 bs=4 skip=4 count=1 2>/dev/null
printf '\0\0\0\360' | dd of="$config" bs=4 seek=4 conv=notrunc 2>/dev/null
echo 1 >"$ctrl/reset_controller"
given_up() { [ ! -e "$ctrl/state" ] || [ "$(cat "$ctrl/state")" = dead ]; }
tries=600 until_ok given_up
dead=$?
dd if=/tmp/bar0 of="$config" bs=4 seek=4 conv=notrunc 2>/dev/null
sleep 3	# until it has been found to decode
said=$(copy)
echo "# $said"
case $said in *"p2pmem/allocate: "*"(errno 121)"*) [ $dead = 0 ] ;; *) false ;; esac
result $? "a provider that fails in its reset lends nothing any more"
finish
