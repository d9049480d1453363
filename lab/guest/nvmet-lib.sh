# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sourced after lib.sh by the tests of the NVMe-oF target: the host's end of it, and its counters.

config=/sys/kernel/config/nvmet
log=/tmp/log.$$

# since_log: the kernel's lines since the last call of new_log
new_log() { dmesg >"$log"; }
since_log() { dmesg | tail -n +"$(($(wc -l <"$log") + 1))"; }

# refuses FILE VALUE ERROR LINE NAME: the attribute keeps its value and the log says why
refuses() {
	before=$(cat "$1")
	new_log
	said=$({ echo "$2" >"$1"; } 2>&1)
	case $said in *"$3"*) ;; *) echo "# '$2' was answered with: $said" ;; esac
	case $said in *"$3"*) [ "$(cat "$1")" = "$before" ] && since_log | grep -q "$4" ;; *) false ;; esac
	result $? "$5"
}

# node INSTANCE NSID: the block device, whose number says nothing
node() {
	for disk in /sys/block/nvme"$1"n*; do
		[ -e "$disk/nsid" ] && [ "$(cat "$disk/nsid")" = "$2" ] && { echo "/dev/${disk##*/}"; return 0; }
	done
	return 1
}

# connect TRTYPE TRADDR NQN NAMESPACES OPTION: print the number of the host's controller, once its drives are there
connect() {
	options=nqn=$3,transport=$1,duplicate_connect${5:+,$5}
	case $1 in
	loop) ;;
	fc) options=$options,traddr=$2 ;;
	*) options=$options,traddr=$2,trsvcid=4420 ;;
	esac
	exec 5<>/dev/nvme-fabrics
	echo "$options" >&5 && read -r answer <&5
	exec 5>&-
	instance=${answer#instance=}
	instance=${instance%%,*}
	for _ in $(seq 100); do
		[ -b "$(node "$instance" "${4:-1}")" ] && { echo "$instance"; return 0; }
		sleep 0.1
	done
	echo "# cannot connect to $3 over $1" >&2
	return 1
}

# fc_ports: two ports of FC that are software, with a wire between them
fc_target=nn-0x10001100aa000001:pn-0x20001100aa000001
fc_host=nn-0x10001100aa000002:pn-0x20001100aa000002
fc_name() { echo "$1" | sed 's/^nn-\(.*\):pn-/wwnn=\1,wwpn=/'; }
fc_ports() {
	ctl=/sys/class/fcloop/ctl
	fc_name "$fc_host" >$ctl/add_local_port &&
		echo "$(fc_name "$fc_target"),$(fc_name "$fc_host" | sed 's/ww/lpww/g'),roles=0x60" >$ctl/add_remote_port &&
		fc_name "$fc_target" >$ctl/add_target_port
}
fc_ports_gone() {
	ctl=/sys/class/fcloop/ctl
	fc_name "$fc_target" >$ctl/del_target_port && fc_name "$fc_target" >$ctl/del_remote_port &&
		fc_name "$fc_host" >$ctl/del_local_port
}

disconnect() { echo 1 >"/sys/class/nvme/nvme$1/delete_controller"; }

# stat NQN NAME: a counter of its namespace 1
stat() { sed -n "s/^$2 //p" "$config/subsystems/$1/namespaces/1/p2pmem_stats"; }

more() { [ "$(stat "$1" "$2")" -gt "$3" ]; }

# There and back through host RAM: what a client sees must not depend on where the target has it.
make_pattern() { dd if=/dev/urandom of=/tmp/pattern bs=1M count="$1" 2>/dev/null; }
write_pattern() { dd if=/tmp/pattern of="$1" bs=256k oflag=direct conv=fsync 2>/dev/null; }
read_pattern() {
	pieces=$(($(wc -c </tmp/pattern) >> 18))
	dd if="$1" bs=256k count=$pieces iflag=direct 2>/dev/null | cmp -s - /tmp/pattern
}
round_trip() { write_pattern "$1" && read_pattern "$1"; }
