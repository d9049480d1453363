#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet.sh MIB A B PROVIDER: an NVMe-oF target on drives A and B that serves from PROVIDER's memory, and
# the host that uses it over loop and TCP, on one machine.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1 bytes=$(($1 << 20))
WATCHED_KIB=$((${P2P_WATCHED_KIB:-256}))
config=/sys/kernel/config/nvmet

load() {
	fio --name=load --filename="$1" --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
		--bsrange=4k-128k --size=2M --offset=32M --numjobs=2 --offset_increment=2M \
		--verify=crc32c --verify_fatal=1 --eta=never --time_based --runtime="$2" --output=/tmp/fio.log
	status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

bad_values() {
	mkdir -p $config/subsystems/bad/namespaces/1
	ns=$config/subsystems/bad/namespaces/1
	for value in maybe 00 1x 0000; do
		refuses $ns/p2pmem "$value" "No such device" "neither 0, 1 nor" "p2pmem '$value' is refused"
	done
	refuses $ns/p2pmem 0000:fe:1f.8 "Invalid argument" "names no PCI device" "no address of a device is refused"
	refuses $ns/p2pmem "$(printf 'slot:7\n8')" "Invalid argument" "names no PCI device" "a name of two lines is refused"
	new_log
	drive_bdf "$1" >$ns/p2pmem && [ "$(cat $ns/p2pmem)" = "$(drive_bdf "$1")" ] && since_log | grep -q "has no published peer memory now"
	result $? "a device that provides nothing yet is taken, and told of"
	echo "$provider" >$ns/p2pmem && [ "$(cat $ns/p2pmem)" = "$provider" ]
	result $? "a provider is taken and shown"
	refuses $ns/p2pmem maybe "No such device" "neither 0, 1 nor" "a bad value leaves the provider in place"
	refuses $ns/device_p2pmem_cpu maybe "Invalid argument" "device_p2pmem_cpu is" "a bad device_p2pmem_cpu is refused"

	echo 0 >$ns/p2pmem
	echo /dev/ram0 >$ns/device_path
	refuses $ns/p2pmem 1 "not supported" "takes no peer memory" "a drive that takes no peer memory is refused"
	echo /dev/nothing >$ns/device_path
	echo 1 >$ns/p2pmem
	dd if=/dev/zero of=/tmp/file bs=1M count=1 2>/dev/null
	echo /tmp/file >$ns/device_path
	echo 1 >$ns/buffered_io
	refuses $ns/enable 1 "not supported" "is used as a file" "a file is not enabled"
	echo "$a" >$ns/device_path
	refuses $ns/enable 1 "not supported" "is used as a file" "nor is buffered_io"
	echo 0 >$ns/buffered_io
	echo 1 >$ns/enable
	refuses $ns/p2pmem 0 busy "disable the namespace" "an enabled namespace refuses p2pmem"
	refuses $ns/device_p2pmem_cpu 1 busy "disable the namespace" "and device_p2pmem_cpu"
	nvmet-config.sh clear
	! nvmet-config.sh export half 1 "$a" 0000:fe:1f.8 2>/dev/null && [ ! -e $config/subsystems/half/namespaces/1 ]
	result $? "what is refused half-way leaves no namespace"
	nvmet-config.sh clear
}

# export_file SUBSYSTEM NSID: /tmp/plain, which is all zeros
export_file() {
	dd if=/dev/zero of=/tmp/zeros bs=1M count=1 2>/dev/null
	cp /tmp/zeros /tmp/plain
	mkdir "$config/subsystems/$1/namespaces/$2" &&
		echo /tmp/plain >"$config/subsystems/$1/namespaces/$2/device_path" &&
		echo 1 >"$config/subsystems/$1/namespaces/$2/buffered_io" &&
		echo 1 >"$config/subsystems/$1/namespaces/$2/enable"
}

# The host's peer memory goes through the target to the drives untouched.
over_loop() {
	new_log
	nvmet-config.sh export loop-a 1 "$a" "$provider"
	nvmet-config.sh export loop-a 2 /dev/ram0 0
	export_file loop-a 3
	nvmet-config.sh export loop-b 1 "$b" 1
	nvmet-config.sh port 1 loop - - loop-a loop-b
	one=$(connect loop - loop-a 3) && two=$(connect loop - loop-b)
	result $? "loop connects"
	from=$(node "$one" 1)
	p2p_copy --from "$from" --to "$(node "$two" 1)" --via "$provider" --bytes $bytes --phase loop
	result $? "drive to drive over loop through peer memory"
	[ "$(stat loop-a bytes)" = $bytes ] && [ "$(stat loop-b bytes)" = $bytes ] && [ "$(stat loop-a cpu_requests)" = 0 ]
	result $? "counted, and nobody's CPU moved it"
	p2p_copy --from "$from" --to "$(node "$two" 1)" --via "$provider" --bytes $((WATCHED_KIB << 10)) --watch loop-watched
	result $? "once more, with all accesses to the memory traced"
	said=$(p2p_copy --from "$from" --to "$(node "$one" 2)" --via "$provider" --bytes 65536 2>&1)
	case $said in *"Remote I/O error"*) true ;; *) echo "# $said"; false ;; esac
	result $? "a namespace that takes no peer memory refuses it"
	p2p_copy --from "$from" --to "$(node "$one" 2)" --via ram --bytes 65536 >/dev/null
	result $? "and takes RAM"
	! p2p_copy --from "$from" --to "$(node "$one" 3)" --via "$provider" --bytes 65536 >/dev/null 2>&1 &&
		cmp /tmp/plain /tmp/zeros
	result $? "so does one that is a file, into which the CPU would copy"
	p2p_copy --from "$from" --to "$(node "$one" 3)" --via ram --bytes 65536 >/dev/null && ! cmp -s /tmp/plain /tmp/zeros
	result $? "and it takes RAM, too"
	p2p_discard "$from" ram >/dev/null && said=$(P2P_PROVIDER=$provider p2p_discard "$from" peer)
	echo "# $said"
	[ "$said" = "status 0x4021" ]
	result $? "what the target reads itself is refused in peer memory"
	more loop-a ram_transport 0
	result $? "RAM that the host brings is counted as such"
	grep -q "^controller [0-9]* transport" $config/subsystems/loop-a/namespaces/1/p2pmem_stats
	result $? "nobody is chosen where the host brings the memory"
	three=$(connect loop - loop-a 3) && disconnect "$three"
	since_log | grep nsid | sed 's/^/# /'
	! since_log | grep -q -e "data in RAM" -e "by the CPU" &&
		[ "$(since_log | grep -c "loop-a nsid 1, .*data where the transport has them")" = 1 ]
	result $? "which the log says once, and nothing else"
	disconnect "$one"
	disconnect "$two"
	nvmet-config.sh clear
	result $? "everything is taken away"
}

# A command to a namespace that is disabled keeps nothing of it: a warning otherwise, when the subsystem goes.
disabled_under_host() {
	ns=$config/subsystems/disabled/namespaces/1
	nvmet-config.sh export disabled 1 "$a" "$provider" && nvmet-config.sh port 1 loop - - disabled &&
		one=$(connect loop - disabled) && from=$(node "$one" 1) && exec 5<"$from"
	echo 0 >"$ns/enable"
	got=$(dd bs=4k count=1 iflag=direct <&5 2>/dev/null | wc -c)
	exec 5<&-
	echo 1 >"$ns/enable"
	disconnect "$one"
	nvmet-config.sh clear && [ "$got" = 0 ] && [ ! -e "$config/subsystems/disabled" ]
	result $? "a namespace disabled under a host is enabled, and taken away"
}

over_tcp() {
	new_log
	nvmet-config.sh export tcp 1 "$a" 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp)
	phase tcp-ram round_trip "/dev/nvme${one}n1"
	result $? "TCP without device_p2pmem_cpu: data come back"
	[ "$(stat tcp requests)" = 0 ] && more tcp ram_cpu 0 && since_log | grep -q "data in RAM: the CPU moves"
	result $? "it is in RAM, with the reason"
	disconnect "$one"
	nvmet-config.sh clear

	nvmet-config.sh export tcp 1 "$a" 1 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp)
	phase tcp-bar round_trip "/dev/nvme${one}n1"
	result $? "TCP with device_p2pmem_cpu: data come back"
	[ "$(stat tcp cpu_bytes)" -ge $((2 * bytes)) ] && [ "$(stat tcp ram_cpu)" = 0 ]
	result $? "counted as moved by the CPU"
	before=$(stat tcp cpu_bytes)
	lab phase begin tcp-watched watched
	dd if=/tmp/pattern of="/dev/nvme${one}n1" bs=64k count=$((WATCHED_KIB / 64)) oflag=direct 2>/dev/null
	status=$?
	lab phase end tcp-watched
	[ $status = 0 ] && [ $(($(stat tcp cpu_bytes) - before)) = $((WATCHED_KIB << 10)) ]
	result $? "what is counted is what the lab sees the CPU move"
}

empty() { [ "$(cat "$p2pmem/available")" = 0 ]; }
unpublished() { [ ! -e "$p2pmem" ]; }
gone() { [ ! -e "/sys/bus/pci/devices/$provider" ]; }

# The pool is somebody else's: RAM, counted.
used_up() {
	size=$(($(cat "$p2pmem/available")))
	p2p_copy --from "$b" --to "$b" --via "$provider" --chunk "$size" --bytes "$size" >/dev/null &
	holder=$!
	until_ok empty
	read_pattern "/dev/nvme${one}n1" && more tcp ram_pool 0
	result $? "a pool that is used up is counted"
	kill $holder
	wait $holder 2>/dev/null
}

no_choice() { grep -q "^controller .* gone" $config/subsystems/tcp/namespaces/1/p2pmem_stats; }
chosen() { grep -c "^controller .* $provider" $config/subsystems/tcp/namespaces/1/p2pmem_stats; }
chose() { [ "$(chosen)" = "$1" ]; }

come_and_go() {
	load "/dev/nvme${one}n1" 12 &
	load=$!
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	result $? "load is served from peer memory"
	new_log
	echo "$provider" >/sys/bus/pci/drivers/nvme/unbind
	[ ! -e "$p2pmem" ]
	result $? "the provider's driver is unbound under load"
	ram=$(stat tcp ram_gone)
	until_ok no_choice && until_ok more tcp ram_gone "$ram" && since_log | grep -q "data in RAM: the device chosen"
	result $? "it goes on in RAM, with the reason"
	echo "$provider" >/sys/bus/pci/drivers/nvme/bind
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	result $? "a provider that comes back is taken up"
	two=$(connect tcp 127.0.0.1 tcp 1 data_digest)
	until_ok chose 2
	result $? "by new connections too"
	round_trip "$(node "$two" 1)"
	result $? "data with digests come back"
	wait $load
	result $? "fio has found nothing but what it wrote"
	disconnect "$two"
	until_ok chose 1
	result $? "a disconnected client holds no choice"
}

unbind() {
	echo "$provider" >/sys/bus/pci/drivers/nvme/unbind
	: >/tmp/unbound
}
unbound() { [ -e /tmp/unbound ]; }
bind() {
	rm -f /tmp/unbound
	echo "$provider" >/sys/bus/pci/drivers/nvme/bind
}
grace() { echo "$1" >/sys/module/nvmet/parameters/p2pmem_grace; }

# A client takes memory for a write, and never sends the data.
stall() {
	until_ok [ -e "$p2pmem/available" ]
	free=$(cat "$p2pmem/available")
	nvmet_stall 127.0.0.1 4420 tcp >/tmp/stall &
	client=$!
	until_ok grep -q waits /tmp/stall && [ "$(cat "$p2pmem/available")" = $((free - 65536)) ]
}
stall_ends() {
	until_ok grep -q ended /tmp/stall
	ended=$?
	kill $client 2>/dev/null
	return $ended
}

# It ends when the administrator takes the port down, or the target loses patience.
stalled() {
	stall
	result $? "a client that stalls holds memory"
	grace 3600
	unbind &
	until_ok unpublished
	sleep 2
	! unbound
	result $? "and holds up the unbinding of the provider's driver"
	rm $config/ports/1/subsystems/tcp
	until_ok unbound
	result $? "until the port is taken down"
	stall_ends
	result $? "which ends its connection"
	bind
	ln -s $config/subsystems/tcp $config/ports/1/subsystems/tcp

	stall
	unbind &
	until_ok unpublished
	new_log
	grace 2
	until_ok unbound
	result $? "or its time is over"
	stall_ends && since_log | grep -q "controller [0-9]* of host .* keeps memory of $provider, which is going: failing it"
	result $? "which ends its connection, too, with a line in the log"
	! grace 86401 2>/dev/null && [ "$(cat /sys/module/nvmet/parameters/p2pmem_grace)" = 2 ]
	result $? "more than a day is refused"
	grace 10
	bind
}

disable() {
	echo 0 >$config/subsystems/tcp/namespaces/1/enable
	: >/tmp/disabled
}
disabled() { [ -e /tmp/disabled ]; }

# Disabling a namespace waits for its commands, and lets the administrator end them.
disabled_meanwhile() {
	stall
	disable &
	sleep 2
	! disabled
	result $? "a client that stalls holds up the disabling of a namespace"
	rm $config/ports/1/subsystems/tcp &
	until_ok disabled
	result $? "until the port is taken down meanwhile"
	stall_ends
	result $? "which ends its connection"
	ln -s $config/subsystems/tcp $config/ports/1/subsystems/tcp
	echo 1 >$config/subsystems/tcp/namespaces/1/enable
}

# Whoever is named, and no other, is waited for.
named() {
	nvmet-config.sh clear
	nvmet-config.sh export named 1 "$a" "$provider" 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 named
	one=$(connect tcp 127.0.0.1 named) && round_trip "/dev/nvme${one}n1" && more named cpu_requests 0
	result $? "a provider that is named is used"
	echo "$provider" >/sys/bus/pci/drivers/nvme/unbind
	read_pattern "/dev/nvme${one}n1" && more named ram_gone 0 &&
		grep -q "^controller .* gone" $config/subsystems/named/namespaces/1/p2pmem_stats
	result $? "when it is gone, data are in RAM for that reason"
	bind
	until_ok grep -q "^controller .* $provider" $config/subsystems/named/namespaces/1/p2pmem_stats
	result $? "and in its memory when it is back"
	disconnect "$one"
	nvmet-config.sh clear
	nvmet-config.sh export tcp 1 "$a" 1 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
}

pulled_out() {
	load "/dev/nvme${one}n1" 8 &
	load=$!
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	lab unplug "$1"
	until_ok gone
	result $? "the provider is pulled out under load"
	wait $load
	result $? "fio has found nothing but what it wrote"
	until_ok no_choice
	result $? "and nobody has it chosen"
}

saved() {
	nvmet-config.sh save >/tmp/saved
	nvmet-config.sh clear && nvmet-config.sh restore </tmp/saved && nvmet-config.sh save | cmp -s - /tmp/saved
	result $? "a saved configuration is restored"
	! echo "make subsystems/x" | nvmet-config.sh restore 2>/dev/null
	result $? "but not on top of another"
}

plan 63
announce "$2" "$3" "$4" && announce_bar "$4"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
b=$(drive_node "$3")
provider=$(drive_bdf "$4")
p2pmem=/sys/bus/pci/devices/$provider/p2pmem
make_pattern "$mib"

bad_values "$2"
over_loop
disabled_under_host
over_tcp
used_up
come_and_go
disconnect "$one"
stalled
disabled_meanwhile
named
saved
one=$(connect tcp 127.0.0.1 tcp)
pulled_out "$4"
nvmet-config.sh clear
finish
