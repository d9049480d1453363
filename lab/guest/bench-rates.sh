#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench-rates.sh ROUNDS SECONDS A B PROVIDER: what fio moves per second between drive A (drive B where it writes) and the
# memory that p2pdma_bench.ko registers of PROVIDER, and between them and RAM; and through an NVMe-oF target on drive A.
#
# First each way to peer memory is tried once, as a phase: the host sees where the data were, if anything went. Then,
# without a trace, fio does ROUNDS of all that work, each job for SECONDS, peer memory and RAM in turns.

# shellcheck source=/dev/null
. /p2p/lib.sh
# shellcheck source=/dev/null
. /p2p/nvmet-lib.sh

rounds=$1 seconds=$2
jobs=/tmp/jobs
config=/sys/kernel/config/nvmet
memory="" a="" b="" tcp_peer=""

# fio_once NODE MEMORY: 1 MiB read, in 64 KiB
fio_once() {
	fio --name=once --filename="$1" --direct=1 --ioengine=libaio --rw=read --bs=64k --size="${P2P_TRIED_KIB:?}k" --mem="$2" \
		--output=/tmp/once.log >/dev/null 2>&1 && return 0
	sed 's/^/# fio: /' /tmp/once.log | head -n 3
	return 1
}

# try NAME NODE MEMORY: is this a way to peer memory? It is no failure of the guest if it is none.
try() { phase "$1" fio_once "$2" "$3" && ways="$ways $1"; return 0; }

# job NAME NODE RW SIZE DEPTH MEMORY: one more, after all that came before
job() {
	cat >>$jobs <<-END
		[$1]
		stonewall
		filename=$2
		rw=$3
		bs=$4
		iodepth=$5
		mem=$6
	END
}

# both NAME NODE RW SIZE DEPTH
both() {
	job "$1/ram" "$2" "$3" "$4" "$5" mmap
	job "$1/peer" "$2" "$3" "$4" "$5" "$memory"
}

has() { case " $ways " in *" $1 "*) return 0 ;; esac; return 1; }

round() {
	both read-4k-1 "$a" randread 4k 1
	both read-4k-16 "$a" randread 4k 16
	both write-4k-16 "$b" randwrite 4k 16
	both read-1m-4 "$a" read 1m 4
	both write-1m-4 "$b" write 1m 4
	job loop-4k-16/ram "$loop_ram" randread 4k 16 mmap
	! has loop || job loop-4k-16/peer "$loop_peer" randread 4k 16 "$memory"
	job tcp-4k-16/ram "$tcp_ram" randread 4k 16 mmap
	[ -z "$tcp_peer" ] || job tcp-4k-16/peer "$tcp_peer" randread 4k 16 mmap
}

plan 4
a=$(drive_node "$3") && b=$(drive_node "$4")
result $? "drives are there"
insmod /lib/p2pdma_bench.ko && announce "$3" "$4" "$5" && announce_bar "$5"
result $? "memory is registered"
memory=mmapshared:/sys/bus/pci/devices/$(drive_bdf "$5")/p2pmem/allocate
provider=$(drive_bdf "$5")

# Stock kernels lack device_p2pmem_cpu, and take "p2pmem" of a transport that does nothing with it for what it is: an offer.
nvmet-config.sh export ram 1 "$a" 0 &&
	nvmet-config.sh export peer 1 "$a" "$provider" &&
	nvmet-config.sh port 1 loop - - ram peer &&
	nvmet-config.sh port 2 tcp 127.0.0.1 4420 ram &&
	one=$(connect loop - ram) && loop_ram=$(node "$one" 1) &&
	two=$(connect loop - peer) && loop_peer=$(node "$two" 1) &&
	three=$(connect tcp 127.0.0.1 ram) && tcp_ram=$(node "$three" 1)
result $? "and a target"
cpu=0
[ ! -e "$config/subsystems/peer/namespaces/1/device_p2pmem_cpu" ] || cpu=1
nvmet-config.sh export peer-cpu 1 "$a" "$provider" $cpu &&
	ln -s "$config/subsystems/peer-cpu" "$config/ports/2/subsystems/" &&
	four=$(connect tcp 127.0.0.1 peer-cpu) && tcp_peer=$(node "$four" 1)

ways=""
try direct "$a" "$memory"
try loop "$loop_peer" "$memory"
[ -z "$tcp_peer" ] || try tcp "$tcp_peer" mmap
echo "# ways:$ways"
lab quiet

cat >$jobs <<-END
	[global]
	direct=1
	ioengine=libaio
	size=32m
	time_based
	runtime=$seconds
	norandommap
	randrepeat=1
	scramble_buffers=0
	zero_buffers
END
for _ in $(seq "$rounds"); do
	round
done
# Version, fio, job, group, error; read: KiB, KiB/s; write: ... See "terse" in fio's manual.
fio --minimal --terse-version=3 --output=/tmp/rates $jobs >/dev/null 2>/tmp/rates.log
status=$?
[ $status = 0 ] || sed 's/^/# fio: /' /tmp/rates.log
awk -F ';' '$2 ~ /^fio/ { print "# rate " $3 " error=" $5 " read=" $7 " write=" $48 }' /tmp/rates
result $status "fio"
finish
