#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-withdraw.sh MIB A B PROVIDER: an NVMe-oF target whose drives reach PROVIDER's memory by way of a root
# complex, as the administrator says that it routes; then he says that it does not, under load.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
param=/sys/module/pci_p2pdma/parameters/host_bridges

allow() { echo "$bridge" >$param; }
withdraw() { echo "$bridge=none" >$param; }

load() {
	fio --name=load --filename="$1" --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
		--bsrange=4k-64k --size=2M --offset=32M --numjobs=2 --offset_increment=2M \
		--verify=crc32c --verify_fatal=1 --eta=never --time_based --runtime="$2" --output=/tmp/fio.log
	status=$?
	[ $status = 0 ] || sed 's/^/# /' /tmp/fio.log
	return $status
}

# count_grows NAME: by some
count_grows() {
	had=$(stat tcp "$1")
	until_ok more tcp "$1" "$((had + 10))"
}

no_final_error() {
	since_log | grep -e "LBA Out of Range" -e " DNR" -e "I/O error" | sed 's/^/# /'
	! since_log | grep -q -e "LBA Out of Range" -e " DNR" -e "I/O error"
}

last_line() { dmesg | grep "tcp nsid 1, " | tail -n 1 | grep -q "$1"; }

over_tcp() {
	nvmet-config.sh export tcp 1 "$a" 1 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp) && disk=$(node "$one" 1)
	load "$disk" 14 &
	load=$!
	count_grows cpu_requests
	result $? "load is served from the provider's memory"
	new_log
	withdraw
	count_grows ram_unreachable
	result $? "the route is withdrawn, and it goes on in RAM, with the reason"
	since_log | grep -q "nsid 1, .*data in RAM: no"
	result $? "and a line in the log"
	allow
	count_grows cpu_requests
	result $? "the route is back, and the memory is taken up again"
	for _ in $(seq 12); do
		withdraw
		sleep 0.1
		allow
		sleep 0.3
	done
	wait $load
	result $? "fio has found nothing but what it wrote"
	no_final_error
	result $? "no error was final, none was of an LBA"
	sed 's/^/# /' $config/subsystems/tcp/namespaces/1/p2pmem_stats
	# More lines than the log takes in a row: the last one is there in the end.
	for _ in $(seq 12); do
		allow
		sleep 0.1
		withdraw
		sleep 0.1
	done
	until_ok last_line "data in RAM: no"
	result $? "after many changes the log ends with what is so: in RAM"
	sleep 6
	for _ in $(seq 12); do
		withdraw
		sleep 0.1
		allow
		sleep 0.1
	done
	until_ok last_line "data in memory of"
	result $? "and the other way round"
	disconnect "$one"
	nvmet-config.sh clear
}

# The route is withdrawn between the choice for a command and its mapping, which a slow drive has far apart.
late() {
	echo "0 16384 delay $a 0 3000 $a 0 3000" | dmsetup create late --noudevsync --noudevrules
	nvmet-config.sh export tcp 1 /dev/dm-0 1 1
	nvmet-config.sh port 1 tcp 127.0.0.1 4420 tcp
	one=$(connect tcp 127.0.0.1 tcp) && disk=$(node "$one" 1)
	for verb in write read; do
		allow
		until_ok last_line "data in memory of"
		dd if=/dev/urandom of=/tmp/late.in bs=64k count=1 2>/dev/null
		served=$(stat tcp requests) unreachable=$(stat tcp ram_unreachable)
		case $verb in
		write)	dd if=/tmp/late.in of="$disk" bs=64k count=1 oflag=direct 2>/dev/null & ;;
		read)	dd if=/tmp/late.in of="$a" bs=64k count=1 oflag=direct 2>/dev/null
			dd if="$disk" of=/tmp/late.out bs=64k count=1 iflag=direct 2>/dev/null & ;;
		esac
		worker=$!
		sleep 1
		withdraw
		wait $worker
		done=$?
		[ "$verb" = read ] || dd if="$a" of=/tmp/late.out bs=64k count=1 iflag=direct 2>/dev/null
		[ $done = 0 ] && cmp /tmp/late.in /tmp/late.out && [ "$(stat tcp requests)" = "$served" ] && more tcp ram_unreachable "$unreachable"
		result $? "a $verb that is refused when it is mapped is repeated, in RAM, and counted there alone"
	done
	disconnect "$one"
	nvmet-config.sh clear
	until_ok dmsetup remove late --noudevsync --noudevrules
	allow
}

# To the host's own memory the target can do nothing.
over_loop() {
	nvmet-config.sh export loop 1 "$a" 1
	nvmet-config.sh port 1 loop - - loop
	one=$(connect loop - loop) && disk=$(node "$one" 1)
	p2p_copy --from "$disk" --to "$b" --via "$provider" --bytes 65536 >/dev/null
	result $? "loop: drive to drive"
	requests=$(stat loop requests)
	new_log
	withdraw
	said=$(p2p_copy --from "$disk" --to "$b" --via "$provider" --bytes 65536 2>&1)
	case $said in *"Remote I/O error"*) true ;; *) echo "# $said"; false ;; esac
	result $? "loop: where there is no route any more that is an error"
	since_log | grep "LBA Out of Range" | sed 's/^/# /'
	! since_log | grep -q "LBA Out of Range"
	result $? "loop: which is none of an LBA"
	[ "$requests" -gt 0 ] && [ "$(stat loop requests)" = "$requests" ]
	result $? "loop: what fails is not counted"
	disconnect "$one"
	nvmet-config.sh clear
	allow
}

plan 16
announce "$2" "$3" "$4" && announce_bar "$4"
result $? "drives and provider are there"
a=$(drive_node "$2")
b=$(drive_node "$3")
provider=$(drive_bdf "$4")
root=/sys/bus/pci/devices/0000:00:00.0
read -r vendor <$root/vendor
read -r device <$root/device
bridge=${vendor#0x}:${device#0x}
allow
over_tcp
late
over_loop
echo >$param
[ -z "$(ls $config/subsystems)" ]
result $? "everything is taken away"
finish
