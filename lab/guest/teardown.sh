#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# teardown.sh FROM TO PROVIDER [later|now]: PROVIDER's driver comes and goes, PROVIDER is reset, it is pulled out and put back.
# All the while programs map its memory, the drive FROM is copied to TO through it, and mostly it is just being registered or
# taken back. In the end, when everything else has been said, the machine is switched off while the memory is mapped and
# used. With "later" it is no more than that, and the memory is being registered or taken back as well. With "now", init asks
# for just that end. PROVIDER has 64 MiB in BAR 2.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

export tries=300	# of until_ok
here=/tmp/teardown
go=$here/go
bytes=$((256 << 10))

gone() { [ ! -e "$device" ]; }

# so_many WHAT: how often it has been done
so_many() { wc -c <"$here/$1"; }
more_than() { [ "$(so_many "$1")" -ge "$2" ]; }

# more NUMBER WHAT...: each of these is done so many times from now on
more() {
	number=$1
	shift
	for what; do
		until_ok more_than "$what" $(($(so_many "$what") + number)) || { echo "# too few: $what"; return 1; }
	done
}

# In many pieces, to register it and to unregister it takes its time.
in_pieces() {
	pieces=2/0/8M
	for from_mib in $(seq 8 8 56); do
		pieces=$pieces,2/${from_mib}M/8M
	done
	echo "$pieces" >/sys/module/pci_p2pmem_stub/parameters/resources
}

rebind() {
	round=0
	while [ -e $go ]; do
		bind_provider "$provider" 2>/dev/null && printf x >>$here/bound
		# Now and then it stays for a while.
		round=$(((round + 1) % 4))
		[ $round != 0 ] || usleep 100000
		{ echo "$provider" >"$driver/unbind"; } 2>/dev/null
	done
}

copy() { p2p_copy --from "$from" --to "$to" --via "$provider" --bytes $bytes --chunk 65536 >/dev/null 2>&1; }
copies() {
	while [ -e $go ]; do
		copy && printf x >>$here/copied
	done
}

# begin [WITH]: also with the driver coming and going
begin() {
	: >$go
	p2p_storm "$provider" $here/mapped &
	storm=$!
	copies &
	working=$!
	[ -z "$1" ] || { "$1" & working="$working $!"; }
}

# No process of the storm has met an error that it cannot explain: it is there to be killed.
end() {
	rm $go
	# shellcheck disable=SC2086 # a list of words
	wait $working
	kill $storm
	wait $storm
	[ $? = $((128 + 15)) ]
}

start_of() {
	blockdev --flushbufs "$1"
	dd if="$1" bs=$bytes count=1 2>/dev/null | sha256sum
}
provides_all() {
	bind_provider "$provider" 2>/dev/null
	[ "$(cat "$device/p2pmem/available")" = "$free" ] && copy && [ "$(start_of "$from")" = "$(start_of "$to")" ]
}

# The button has five seconds in which it can be pressed again: spare them.
power() { [ -z "$slot" ] || echo "$1" 2>/dev/null >"$slot/power"; }

# switch_off [WITH]: init does, after this. The console is told, as the results are complete.
switch_off() {
	begin "$@"
	[ -z "$1" ] || more 3 bound
	more 10 mapped && more 1 copied && echo "teardown.sh: switched off in the middle of it" >/dev/kmsg
	exit
}

# at_end [WITH]: have it done
at_end() { echo "exec $0 $names now $1 >/dev/null 2>&1" >/tmp/at-end; }

names="$1 $2 $3"
case ${4:-} in
now)	;;
later)	plan 2 ;;
*)	plan 11 ;;
esac
announce "$1" "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
from=$(drive_node "$1")
to=$(drive_node "$2")
provider=$(drive_bdf "$3")
device=/sys/bus/pci/devices/$provider
driver=$(readlink -f "$device/driver")
slot=$(slot_of "$provider")
free=$(cat "$device/p2pmem/available")
mkdir -p $here
for what in bound mapped copied; do : >$here/$what; done
case ${4:-} in
now)	switch_off ${5:+"$5"} ;;
later)
	in_pieces
	at_end rebind
	result $? "to be switched off"
	finish ;;
esac

begin rebind
more 20 bound && more 20 mapped && more 3 copied
result $? "registered and unregistered while it is mapped and used"
for _ in 1 2 3 4 5; do
	echo 1 >"$device/reset" && more 1 bound
done
result $? "reset meanwhile"
more 5 bound && more 5 mapped && more 1 copied
result $? "and it goes on"
end
result $? "those that mapped it have met nothing else"
provides_all
result $? "nothing lost: $(cat "$device/p2pmem/available") bytes of $free are free, and can be used"

in_pieces
begin rebind
more 3 bound && more 3 mapped
lab attention "$3"
power 0
until_ok gone
result $? "pulled out while it is registered and taken back"
lab plug "$3"
power 1
more 5 bound && more 5 mapped && more 1 copied
result $? "put back, and used again"
end
result $? "those that mapped it have met nothing else"
provides_all
result $? "nothing lost: $(cat "$device/p2pmem/available") bytes of $free are free, and can be used"

at_end
result $? "to be switched off"
echo "# bound $(so_many bound) times, mapped $(so_many mapped) times, copied $(so_many copied) times"
finish
