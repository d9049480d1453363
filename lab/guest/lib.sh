# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sourced by the scripts beside it: KTAP, drives by serial number, and word to the lab.

PATH=$PATH:$(dirname "$0")
KSFT_SKIP=4
tests=0
failed=0

plan() { echo "TAP version 13"; echo "1..$1"; }

# result STATUS NAME: one line of KTAP; STATUS 0 is a pass
result() {
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests $2"
	else
		echo "not ok $tests $2"
		failed=1
	fi
}

# finish: leave with the status that the results add up to
finish() { exit "$failed"; }

# skip_all NAME REASON
skip_all() { plan 1; echo "ok 1 $1 # SKIP $2"; exit "$KSFT_SKIP"; }

# lab VERB ARGUMENT...: tell the host and wait for its answer. Outside the lab nobody listens.
lab() {
	[ -n "${P2P_LAB:-}" ] || return 0
	echo "# lab: $*" >&3
	read -r _ <&3
}

# lab_ask VERB ARGUMENT...: the host's answer
lab_ask() {
	echo "# lab: $*" >&3
	read -r answer <&3
	echo "$answer"
}

# phase NAME COMMAND...: what the drives move meanwhile is counted under NAME by the host
phase() {
	name=$1
	shift
	lab phase begin "$name"
	"$@"
	status=$?
	lab phase end "$name"
	return $status
}

# until_ok COMMAND...: wait for it to succeed, a tenth of a second for each of $tries
until_ok() {
	for _ in $(seq "${tries:-100}"); do
		"$@" && return 0
		sleep 0.1
	done
	echo "# waited in vain for: $*"
	return 1
}

# controller SERIAL: its sysfs folder, as soon as the drive is ready. Of several the first one in the topology
controller() {
	function=
	case ,${P2P_PORTS:-}, in
	*,"$1",*) function=$(lab_ask where "$1") ;;
	esac
	for _ in $(seq 100); do
		for dir in /sys/class/nvme/nvme*; do
			[ -e "$dir/serial" ] || continue
			read -r serial <"$dir/serial"
			case $function in '' | "$(basename "$(readlink -f "$dir/device")")") ;; *) continue ;; esac
			[ "$serial" = "$1" ] && [ -b "$(namespace "$dir")" ] && { echo "$dir"; return 0; }
		done
		sleep 0.1
	done
	echo "# no drive with serial number $1" >&2
	return 1
}

drive_node() { dir=$(controller "$1") && namespace "$dir"; }

# namespace CONTROLLER: the block device of its first namespace, or of the head of all paths to it
namespace() {
	for disk in "$1"/nvme*n1; do
		[ -e "$disk" ] && echo "/dev/${disk##*/}" | sed 's/c[0-9]*n/n/'
	done
}

# drive_bdf NAME: the BDF of a drive, or of a provider that is none; the latter is bound to its driver
drive_bdf() {
	case ,${P2P_RAM_BARS:-}, in
	*,"$1",*)
		bdf=$(lab_ask where "$1") && bind_provider "$bdf" && echo "$bdf"
		return ;;
	esac
	dir=$(controller "$1") && basename "$(readlink -f "$dir/device")"
}

# bind_provider BDF: have the driver that registers any BAR take it, if none has it yet
bind_provider() {
	device=/sys/bus/pci/devices/$1
	[ ! -e "$device/driver" ] || return 0
	echo pci-p2pmem-stub >"$device/driver_override" && echo "$1" >/sys/bus/pci/drivers/pci-p2pmem-stub/bind
}

# slot_of BDF: the folder of the slot that the device is in
slot_of() {
	for place in /sys/bus/pci/slots/*; do
		[ "$(cat "$place/address")" != "${1%.*}" ] || echo "$place"
	done
}

# announce SERIAL...: tell the host which drive is where
announce() {
	for drive in "$@"; do
		bdf=$(drive_bdf "$drive") || return 1
		lab drive "$drive" "$bdf"
	done
}

# announce_bar SERIAL: tell the host where the memory of this provider is: its largest BAR
announce_bar() {
	bdf=$(drive_bdf "$1") || return 1
	[ -e "/sys/bus/pci/devices/$bdf/p2pmem/size" ] || { echo "# $bdf provides no memory" >&2; return 1; }
	best=0
	first=0
	last=0
	while read -r start end _; do
		size=$((end - start + 1))
		[ $((end)) = 0 ] || [ $size -le $best ] && continue
		best=$size
		first=$start
		last=$end
	done <"/sys/bus/pci/devices/$bdf/resource"
	lab bar "$1" "$first" "$last"
}

# partition NODE MIB MIB...: so many of these sizes, one behind the other from 1 MiB on; all of it may be lost
partition() {
	disk=$1
	at=2048
	shift
	{
		dd if=/dev/zero bs=446 count=1 2>/dev/null
		for mib in "$@"; do
			printf '\0\0\0\0\203\0\0\0'
			le32 $at $((mib << 11))
			at=$((at + (mib << 11)))
		done
		dd if=/dev/zero bs=16 count=$((4 - $#)) 2>/dev/null
		printf '\125\252'
	} >/tmp/mbr
	dd if=/tmp/mbr of="$disk" conv=fsync,notrunc 2>/dev/null && blockdev --rereadpt "$disk" && until_ok [ -b "${disk}p$#" ]
}

# le32 NUMBER...: as a partition table has it
le32() {
	for number in "$@"; do
		for shift in 0 8 16 24; do
			printf '%b' "\\0$(printf %o $((number >> shift & 255)))"
		done
	done
}

# digest NODE OFFSET_MIB MIB: read through host RAM, past what the page cache may hold
digest() {
	blockdev --flushbufs "$1"
	dd if="$1" bs=1M skip="$2" count="$3" 2>/dev/null | sha256sum | cut -d ' ' -f 1
}
