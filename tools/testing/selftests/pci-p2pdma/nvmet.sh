#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet.sh MIB A B LENDER: an NVMe-oF target on drives A and B that serves from LENDER's memory, and
# the host that uses it over loop and TCP, on one machine.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1 bytes=$(($1 << 20))
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
	for value in maybe 00 none 0000; do
		refuses $ns/p2pmem "$value" "Invalid argument" "neither 0, 1 nor" "p2pmem '$value' is refused"
	done
	refuses $ns/p2pmem 0000:fe:1f.7 "No such device" "there is no PCI device" "a device that is not there is refused"
	refuses $ns/p2pmem "$(drive_bdf "$1")" "No such device" "lends no published memory" \
		"a device that lends nothing is refused"
	echo "$lender" >$ns/p2pmem && [ "$(cat $ns/p2pmem)" = "$lender" ]
	result $? "a lender is taken and shown"
	refuses $ns/p2pmem maybe "Invalid argument" "neither 0, 1 nor" "a bad value leaves the lender in place"
	refuses $ns/p2pmem_cpu maybe "Invalid argument" "p2pmem_cpu is" "a bad p2pmem_cpu is refused"

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
	refuses $ns/p2pmem_cpu 1 busy "disable the namespace" "and p2pmem_cpu"
	nvmet-config.sh clear
	! nvmet-config.sh export half 1 "$a" 0000:fe:1f.7 2>/dev/null && [ ! -e $config/subsystems/half/namespaces/1 ]
	result $? "what is refused half-way leaves no namespace"
	nvmet-config.sh clear
}

# The host's peer memory goes through the target to the drives untouched.
over_loop() {
	nvmet-config.sh export loop-a 1 "$a" "$lender"
	nvmet-config.sh export loop-a 2 /dev/ram0 0
	nvmet-config.sh export loop-b 1 "$b" 1
	nvmet-config.sh port 1 loop - - loop-a loop-b
	one=$(connect loop - loop-a 2) && two=$(connect loop - loop-b)
	result $? "loop connects"
	from=$(node "$one" 1)
	phase loop p2p_copy --from "$from" --to "$(node "$two" 1)" --via "$lender" --bytes $bytes
	result $? "drive to drive over loop through lent memory"
	[ "$(stat loop-a bytes)" = $bytes ] && [ "$(stat loop-b bytes)" = $bytes ] && [ "$(stat loop-a cpu_requests)" = 0 ]
	result $? "counted, and nobody's CPU moved it"
	said=$(p2p_copy --from "$from" --to "$(node "$one" 2)" --via "$lender" --bytes 65536 2>&1)
	case $said in *"Remote I/O error"*) true ;; *) echo "# $said"; false ;; esac
	result $? "a namespace that takes no peer memory refuses it"
	p2p_copy --from "$from" --to "$(node "$one" 2)" --via ram --bytes 65536 >/dev/null
	result $? "and takes RAM"
	more loop-a ram_transport 0
	result $? "RAM that the host brings is counted as such"
	disconnect "$one"
	disconnect "$two"
	nvmet-config.sh clear
	result $? "everything is taken away"
}

over_tcp() {
	new_log
	nvmet-config.sh export tcp 1 "$a" 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp)
	phase tcp-ram round_trip "/dev/nvme${one}n1"
	result $? "TCP without p2pmem_cpu: data come back"
	[ "$(stat tcp requests)" = 0 ] && more tcp ram_cpu 0 && since_log | grep -q "data in RAM: the CPU moves"
	result $? "it is in RAM, with the reason"
	disconnect "$one"
	nvmet-config.sh clear

	nvmet-config.sh export tcp 1 "$a" 1 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp)
	phase tcp-bar round_trip "/dev/nvme${one}n1"
	result $? "TCP with p2pmem_cpu: data come back"
	[ "$(stat tcp cpu_bytes)" -ge $((2 * bytes)) ] && [ "$(stat tcp ram_cpu)" = 0 ]
	result $? "counted as moved by the CPU"
}

empty() { [ "$(cat "$p2pmem/available")" = 0 ]; }
unpublished() { [ ! -e "$p2pmem" ]; }
gone() { [ ! -e "/sys/bus/pci/devices/$lender" ]; }

# The pool is somebody else's: RAM, counted.
used_up() {
	size=$(($(cat "$p2pmem/available")))
	p2p_copy --from "$b" --to "$b" --via "$lender" --chunk "$size" --bytes "$size" >/dev/null &
	holder=$!
	until_ok empty
	read_pattern "/dev/nvme${one}n1" && more tcp ram_pool 0
	result $? "a pool that is used up is counted"
	kill $holder
	wait $holder 2>/dev/null
}

no_choice() { grep -q "^controller .* unreachable" $config/subsystems/tcp/namespaces/1/p2pmem_stats; }
chosen() { grep -c "^controller .* $lender" $config/subsystems/tcp/namespaces/1/p2pmem_stats; }
chose() { [ "$(chosen)" = "$1" ]; }

come_and_go() {
	load "/dev/nvme${one}n1" 12 &
	load=$!
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	result $? "load is served from peer memory"
	new_log
	echo "$lender" >/sys/bus/pci/drivers/nvme/unbind
	[ ! -e "$p2pmem" ]
	result $? "the lender's driver is unbound under load"
	ram=$(($(stat tcp ram_unreachable) + $(stat tcp ram_gone)))
	until_ok no_choice && until_ok more tcp ram_unreachable "$ram" && since_log | grep -q "data in RAM: no lent memory"
	result $? "it goes on in RAM, with the reason"
	echo "$lender" >/sys/bus/pci/drivers/nvme/bind
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	result $? "a lender that comes back is taken up"
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
	echo "$lender" >/sys/bus/pci/drivers/nvme/unbind
	: >/tmp/unbound
}

# A client takes memory for a write, and never sends the data.
stalled() {
	free=$(cat "$p2pmem/available")
	nvmet_stall 127.0.0.1 4420 tcp >/tmp/stall &
	client=$!
	until_ok grep -q waits /tmp/stall && [ "$(cat "$p2pmem/available")" = $((free - 65536)) ]
	result $? "a client that stalls holds memory"
	unbind &
	until_ok unpublished
	sleep 2
	[ ! -e /tmp/unbound ]
	result $? "and holds up the unbinding of the lender's driver"
	rm $config/ports/1/subsystems/tcp
	until_ok [ -e /tmp/unbound ]
	result $? "until the port is taken down"
	until_ok grep -q ended /tmp/stall
	result $? "which ends its connection"
	kill $client 2>/dev/null
	until_ok [ -e /tmp/unbound ]
	echo "$lender" >/sys/bus/pci/drivers/nvme/bind
	ln -s $config/subsystems/tcp $config/ports/1/subsystems/tcp
}

pulled_out() {
	load "/dev/nvme${one}n1" 8 &
	load=$!
	requests=$(stat tcp cpu_requests)
	until_ok more tcp cpu_requests "$((requests + 20))"
	lab unplug "$1"
	until_ok gone
	result $? "the lender is pulled out under load"
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

plan 45
announce "$2" "$3" "$4" && lend "$4"
result $? "drives and lent memory are there"
a=$(drive_node "$2")
b=$(drive_node "$3")
lender=$(drive_bdf "$4")
p2pmem=/sys/bus/pci/devices/$lender/p2pmem
make_pattern "$mib"

bad_values "$2"
over_loop
over_tcp
used_up
come_and_go
disconnect "$one"
stalled
saved
one=$(connect tcp 127.0.0.1 tcp)
pulled_out "$4"
nvmet-config.sh clear
finish
