#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An NVMe-oF target that serves from peer memory, set up with nothing but configfs. An example for
# administrators; nvmet.sh beside it tests with it.
#
#   nvmet-config.sh export NQN NSID DEVICE P2PMEM [CPU]
#	make DEVICE namespace NSID of subsystem NQN, its data in peer memory as P2PMEM says: 0, 1 or
#	the address of the device that lends it. CPU=1: also where the CPU moves the data (TCP).
#   nvmet-config.sh port ID TRTYPE TRADDR TRSVCID NQN...
#	offer the subsystems at a port: "port 1 rdma 192.168.0.1 4420 NQN", "port 2 loop - - NQN"
#   nvmet-config.sh status	where the data of each namespace are, and what was counted
#   nvmet-config.sh save		print the configuration
#   nvmet-config.sh restore	set up what save had printed, from standard input
#   nvmet-config.sh clear	take everything away, which disconnects all clients
#
# Each command does all or says on standard error what is wrong and how far it came.

config=${NVMET_CONFIG:-/sys/kernel/config/nvmet}

die() { echo "nvmet-config: $*" >&2; exit 1; }

# The kernel's log says more than an error number.
refused() {
	dmesg 2>/dev/null | grep -e nvmet -e P2PDMA | tail -n 1 | sed 's/^/nvmet-config: the kernel says: /' >&2
	die "$*"
}

# put PATH VALUE: set an attribute
put() { { echo "$2" >"$config/$1"; } 2>/dev/null || refused "$1 cannot be set to '$2'"; }

make() { [ -d "$config/$1" ] || mkdir "$config/$1" || die "cannot make $1"; }

link() { ln -s "$config/$2" "$config/$1" || refused "cannot link $1 to $2"; }

export_namespace() {
	[ -b "$3" ] || die "$3 is no block device"
	[ ! -e "$config/subsystems/$1/namespaces/$2" ] || die "$1 has a namespace $2 already"
	make "subsystems/$1"
	put "subsystems/$1/attr_allow_any_host" 1
	namespace=subsystems/$1/namespaces/$2
	make "$namespace"
	# Refused half-way: nobody shall see a namespace that is not as it was asked for.
	(
		put "$namespace/device_path" "$3"
		put "$namespace/p2pmem" "$4"
		# Not there in kernels whose target has no such thing, which serve from peer memory all the same.
		[ "$5" = 0 ] || put "$namespace/p2pmem_cpu" "$5"
		put "$namespace/enable" 1
	) || { rmdir "$config/$namespace"; exit 1; }
}

add_port() {
	port=ports/$1
	[ ! -e "$config/$port" ] || die "port $1 is there already"
	make "$port"
	put "$port/addr_trtype" "$2"
	if [ "$2" != loop ]; then
		case $3 in
		*:*) put "$port/addr_adrfam" ipv6 ;;
		*) put "$port/addr_adrfam" ipv4 ;;
		esac
		put "$port/addr_traddr" "$3"
		put "$port/addr_trsvcid" "$4"
	fi
	shift 4
	for nqn in "$@"; do
		link "$port/subsystems/$nqn" "subsystems/$nqn"
	done
}

status() {
	for namespace in "$config"/subsystems/*/namespaces/*; do
		[ -d "$namespace" ] || continue
		echo "${namespace#"$config/subsystems/"}: $(cat "$namespace/device_path"), p2pmem $(cat "$namespace/p2pmem")"
		sed 's/^/	/' "$namespace/p2pmem_stats"
	done
}

# show PATH...: "set" lines for those attributes that exist and hold something
show() {
	for path in "$@"; do
		[ -e "$config/$path" ] || continue
		value=$(cat "$config/$path")
		case $value in
		'' | '(null)') ;;
		*) echo "set $path $value" ;;
		esac
	done
}

links() {
	for path in "$config/$1"/*; do
		[ -L "$path" ] && echo "link ${path#"$config/"} $2/${path##*/}"
	done
}

# In an order in which it can be set up again: what is enabled last comes last.
save() {
	cd "$config" || exit
	for host in hosts/*; do
		[ -d "$host" ] && echo "make $host"
	done
	for subsystem in subsystems/*; do
		[ -d "$subsystem" ] || continue
		echo "make $subsystem"
		show "$subsystem/attr_allow_any_host" "$subsystem/attr_serial" "$subsystem/attr_model"
		for namespace in "$subsystem"/namespaces/*; do
			[ -d "$namespace" ] || continue
			echo "make $namespace"
			for name in device_path device_uuid device_nguid ana_grpid buffered_io p2pmem p2pmem_cpu enable; do
				show "$namespace/$name"
			done
		done
		links "$subsystem/allowed_hosts" hosts
	done
	for port in ports/*; do
		[ -d "$port" ] || continue
		echo "make $port"
		for name in addr_trtype addr_adrfam addr_traddr addr_trsvcid addr_treq param_inline_data_size; do
			show "$port/$name"
		done
		links "$port/subsystems" subsystems
	done
}

restore() {
	while read -r verb path value; do
		case $verb in
		make) make "$path" ;;
		set) put "$path" "$value" ;;
		link) link "$path" "$value" ;;
		*) die "'$verb $path' is none of make, set, link: was this printed by save?" ;;
		esac
	done
}

check_clear() {
	for path in "$config"/subsystems/* "$config"/ports/* "$config"/hosts/*; do
		[ ! -e "$path" ] || die "there is a configuration already: clear it first"
	done
}

clear_all() {
	for path in "$config"/ports/*/subsystems/*; do
		[ -L "$path" ] && rm "$path"
	done
	for path in "$config"/ports/* "$config"/subsystems/*/namespaces/*; do
		[ -d "$path" ] && { rmdir "$path" || die "cannot remove $path"; }
	done
	for path in "$config"/subsystems/*/allowed_hosts/*; do
		[ -L "$path" ] && rm "$path"
	done
	for path in "$config"/subsystems/* "$config"/hosts/*; do
		[ -d "$path" ] && { rmdir "$path" || die "cannot remove $path"; }
	done
	return 0
}

[ -d "$config" ] || die "no $config: mount configfs, load nvmet"
case $1,$# in
export,5) export_namespace "$2" "$3" "$4" "$5" 0 ;;
export,6) export_namespace "$2" "$3" "$4" "$5" "$6" ;;
port,[6-9]) shift && add_port "$@" ;;
status,1) status ;;
save,1) save ;;
restore,1) check_clear; (restore) || { clear_all; die "nothing was restored"; } ;;
clear,1) clear_all ;;
*) sed -n '/^#   nvmet/,/^# Each/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
