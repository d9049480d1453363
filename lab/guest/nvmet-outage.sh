#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-outage.sh SECONDS A PROVIDER: an NVMe-oF target on drive A that serves over TCP from PROVIDER's
# memory, while PROVIDER's function is reset again and again, which takes the memory away each time. No
# read may return what was not written, and what was written with success is on the medium.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
seconds=$1
block=$((64 << 10))
blocks=16
stop=/tmp/stop.$$

# A reset that the kernel makes: it tells those who have memory first, and waits for them.
reset() { echo 1 >"/sys/bus/pci/devices/$provider/reset"; }

# decode BYTE: the low byte of the command register
decode() { printf %b "\\0$(printf %o "$1")" | dd of="/sys/bus/pci/devices/$provider/config" bs=1 seek=4 conv=notrunc 2>/dev/null; }

# The memory is away for a moment, or for a shorter one, and nobody was told before.
blink() {
	decode $((command & ~2))
	sleep 0.1
	decode "$command"
	sleep 0.3
	for _ in 1 2 3; do
		decode $((command & ~2))
		decode "$command"
	done
}

# again_and_again PAUSE COMMAND
again_and_again() {
	while [ ! -e $stop ]; do
		$2
		sleep "$1"
	done
}

# meanwhile OUTAGE COMMAND...
meanwhile() {
	rm -f $stop
	again_and_again 0.3 "$1" &
	outages=$!
	shift
	"$@"
	status=$?
	: >$stop
	wait $outages
	return $status
}

tally() { echo "# $1: $total, wrong with good status $wrong, failed $failed"; [ "$wrong" = 0 ] && [ "$failed" = 0 ] && [ "$total" -gt 5 ]; }

begin_tally() { total=0 wrong=0 failed=0 until=$(($(date +%s) + seconds)); }
time_is_left() { [ "$(date +%s)" -lt "$until" ]; }

reads() {
	begin_tally
	while time_is_left; do
		total=$((total + 1))
		if dd if="$disk" of=/tmp/got bs=$((blocks * block)) iflag=direct count=1 2>/dev/null; then
			cmp -s /tmp/got /tmp/pattern || wrong=$((wrong + 1))
		else
			failed=$((failed + 1))
		fi
	done
	tally reads
}

# Each block is another one, and is looked for on the drive itself, through RAM.
writes() {
	begin_tally
	while time_is_left; do
		total=$((total + 1))
		at=$((total % blocks))
		dd if=/dev/urandom of=/tmp/piece bs=$block count=1 2>/dev/null
		if dd if=/tmp/piece of="$disk" bs=$block seek=$at oflag=direct 2>/dev/null; then
			dd if="$a" bs=$block skip=$at count=1 iflag=direct 2>/dev/null | cmp -s - /tmp/piece || wrong=$((wrong + 1))
		else
			failed=$((failed + 1))
		fi
	done
	tally writes
}

show_stats() { sed 's/^/# /' $config/subsystems/tcp/namespaces/1/p2pmem_stats; }

taken_up() {
	requests=$(stat tcp cpu_requests)
	until_ok read_and_more
}
read_and_more() {
	dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && more tcp cpu_requests "$requests"
}

# over NAME OPTION OUTAGE
over() {
	one=$(connect tcp 127.0.0.1 tcp 1 "$2") && disk=$(node "$one" 1) && write_pattern "$disk"
	result $? "$1: data are on the drive"
	requests=$(stat tcp cpu_requests)
	read_pattern "$disk" && more tcp cpu_requests "$requests"
	result $? "$1: served from the provider's memory"
	meanwhile "$3" reads
	result $? "$1: every read returns what was written"
	taken_up
	result $? "$1: the memory is taken up again"
	meanwhile "$3" writes
	result $? "$1: what was written with success is there"
	! dmesg | grep -e "${disk##*/}: .* DNR" -e "${disk##*/}: .*LBA Out of Range"
	result $? "$1: the host has had no error that is final, and none of an LBA"
	disconnect "$one"
	show_stats
}

# A client sends half of its data before an outage, and half after it. No drive has anything to do with it.
in_halves() {
	free=$(cat "$available")
	rm -f /tmp/rest
	dd if="$a" of=/tmp/before bs=65536 count=1 iflag=direct 2>/dev/null
	nvmet_stall 127.0.0.1 4420 tcp /tmp/rest >/tmp/stall &
	until_ok grep -q half /tmp/stall && [ "$(cat "$available")" = $((free - 65536)) ]
	result $? "half of the data of a write are in the provider's memory"
	reset
	: >/tmp/rest
	until_ok grep status /tmp/stall && grep -q "^status 0x21$" /tmp/stall
	result $? "what was there before an outage is not written with success"
	dd if="$a" bs=65536 count=1 iflag=direct 2>/dev/null | cmp - /tmp/before
	result $? "and not written at all"
}

# Whether the drives reach a provider that does not answer just now is not known. It has to be good enough for a
# configuration that is restored then.
named() {
	decode $((command & ~2))
	nvmet-config.sh export named 1 "$a" "$provider" 1
	result $? "a provider that does not answer is named"
	decode "$command"
	nvmet-config.sh port 2 tcp 127.0.0.2 4420 named && one=$(connect tcp 127.0.0.2 named) && disk=$(node "$one" 1) &&
		until_ok named_and_more
	result $? "it serves when it does"
	disconnect "$one"
}
named_and_more() { dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && more named cpu_requests 0; }

# Nobody has chosen it before, and the reason is right all the same.
away_at_first() {
	nvmet-config.sh export first 1 "$a" 1 1 && nvmet-config.sh port 3 tcp 127.0.0.3 4420 first
	result $? "a namespace takes any provider"
	decode $((command & ~2))
	one=$(connect tcp 127.0.0.3 first) && disk=$(node "$one" 1) &&
		dd if="$disk" of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null && more first ram_outage 0 &&
		[ "$(stat first ram_unreachable)" = 0 ]
	result $? "a client connects while the only one does not answer: RAM, for an outage"
	decode "$command"
	until_ok first_and_more
	result $? "and from there when it does"
	disconnect "$one"
}
first_and_more() { dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && more first cpu_requests 0; }

plan 31
announce "$2" "$3" && announce_bar "$3"
result $? "drives and provider are there"
a=$(drive_node "$2")
provider=$(drive_bdf "$3")
available=/sys/bus/pci/devices/$provider/p2pmem/available
command=$(dd if="/sys/bus/pci/devices/$provider/config" bs=1 skip=4 count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
dd if=/dev/urandom of=/tmp/pattern bs=$block count=$blocks 2>/dev/null
nvmet-config.sh export tcp 1 "$a" 1 1
nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
over resets data_digest reset
over digests data_digest blink
over plain '' blink
in_halves
named
away_at_first
more tcp interrupted 0
result $? "commands were interrupted, which the host repeats"
more tcp ram_outage 0
result $? "others were in RAM for that reason"
[ "$(stat tcp ram_unreachable)" = 0 ]
result $? "and for no other: nobody took it for a missing route"
nvmet-config.sh clear
result $? "everything is taken away"
finish
