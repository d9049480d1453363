#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An NVMe-oF target that serves from peer memory, set up with nothing but configfs. An example for
# administrators; nvmet-loop.sh beside it tests with it.
#
#   nvmet-config.sh export NQN NSID DEVICE P2PMEM [CPU]
#	make DEVICE namespace NSID of subsystem NQN, its data in peer memory as P2PMEM says: 0, 1 or
#	the provider, as 0000:05:00.0, slot:NAME or serial:NUMBER. CPU=1: also where the CPU moves the
#	data (TCP). DEVICE as /dev/disk/by-id/NAME: /dev/nvme0n1 is another drive after the next boot.
#	A subsystem that is not there yet is made, for any host; who may use one that is stays as it is.
#   nvmet-config.sh port ID TRTYPE TRADDR TRSVCID NQN...
#	offer the subsystems at a port: "port 1 rdma 192.168.0.1 4420 NQN", "port 2 loop - - NQN"
#   nvmet-config.sh remove port ID
#   nvmet-config.sh remove NQN [NSID]
#	take away a port, a subsystem or one namespace of it, which disconnects the clients of no other
#   nvmet-config.sh status	where the data of each namespace are, and what was counted
#   nvmet-config.sh save [FILE]	write the configuration, keys and all, to a file that only its owner
#	can read, or print it. Drives are saved by their links in /dev/disk/by-id. What is not
#	understood is named, and nothing written.
#   nvmet-config.sh restore [FILE]	set up what save had written, or what it had printed. A namespace
#	that cannot be enabled now and a port that cannot be opened are named and left out: status 3.
#	Whatever else goes wrong, nothing is restored: status 1.
#   nvmet-config.sh clear	take everything away, which disconnects all clients
#
# Each command does all or says on standard error what is wrong. What export and port have begun then, or when they
# are killed, is taken back.

config=${NVMET_CONFIG:-/sys/kernel/config/nvmet}
discovery=nqn.2014-08.org.nvmexpress.discovery
newline='
'

say() { echo "nvmet-config: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- what was begun is taken back unless it was finished, also when the command is killed ----

made=		# paths, the last one first; noted before they are, as a signal is heeded right after
undo=:		# what to call

unmake() {
	printf %s "$made" | while IFS= read -r path; do
		take "$config/$path"
	done
}

leave() {
	status=$?
	trap - EXIT
	trap '' HUP INT TERM
	$undo
	exit $status
}

trap leave EXIT
trap 'exit 143' HUP INT TERM

# take PATH...: remove those of them that are there
take() {
	for path in "$@"; do
		if [ -L "$path" ]; then
			rm "$path" || die "cannot remove $path"
		elif [ -d "$path" ]; then
			rmdir "$path" || die "cannot remove $path"
		fi
	done
}

# ---- the kernel's log says more than an error number ----

# Not by time, as the log's clock stands still while the machine sleeps
new_log() { last=$(dmesg 2>/dev/null | tail -n 1); }

# What the target has said since new_log; all that is there if that has left the log meanwhile
since_log() {
	dmesg 2>/dev/null | LAST=$last awk '
		{ line[NR] = $0 }
		$0 == ENVIRON["LAST"] { at = NR }
		END { while (++at <= NR) if (line[at] ~ /nvmet|P2PDMA/) print line[at] }'
}

pass_on() { tail -n 1 | sed 's/^/nvmet-config: the kernel says: /' >&2; }

refused() {
	since_log | pass_on
	die "$*"
}

# ---- configfs ----

# try PATH VALUE: set an attribute. Not with printf alone, which may not notice that the kernel refuses;
# without a newline, which discovery_nqn takes for a second value.
try() {
	case $1 in
	*/enable | */p2pmem) new_log ;;
	esac
	{ printf %s "$2" | cat >"$config/$1"; } 2>/dev/null || return
	# A provider that has no memory yet is no error.
	case $1 in
	*/p2pmem) since_log | grep -F " nsid " | pass_on ;;
	esac
}

put() {
	try "$1" "$2" && return
	case $1 in
	*key) refused "$1 cannot be set" ;;
	*) refused "$1 cannot be set to '$2'" ;;
	esac
}

make() {
	[ ! -d "$config/$1" ] || return 0
	made=$1$newline$made
	mkdir "$config/$1" || refused "cannot make $1"
}

link() {
	new_log
	made=$1$newline$made
	ln -s "$config/$2" "$config/$1"
}

export_namespace() {
	namespace=subsystems/$1/namespaces/$2
	[ -b "$3" ] || die "$3 is no block device"
	[ ! -e "$config/$namespace" ] || die "$1 has a namespace $2 already"
	undo=unmake
	if [ ! -d "$config/subsystems/$1" ]; then
		make "subsystems/$1"
		put "subsystems/$1/attr_allow_any_host" 1
	fi
	make "$namespace"
	put "$namespace/device_path" "$3"
	put "$namespace/p2pmem" "$4"
	# Not there in kernels whose target has no such thing, which serve from peer memory all the same.
	[ "$5" = 0 ] || put "$namespace/device_p2pmem_cpu" "$5"
	put "$namespace/enable" 1
	undo=:
}

add_port() {
	port=ports/$1
	[ ! -e "$config/$port" ] || die "port $1 is there already"
	undo=unmake
	make "$port"
	put "$port/addr_trtype" "$2"
	if [ "$2" != loop ]; then
		case $2,$3 in
		fc,*) put "$port/addr_adrfam" fc ;;
		*:*) put "$port/addr_adrfam" ipv6 ;;
		*) put "$port/addr_adrfam" ipv4 ;;
		esac
		put "$port/addr_traddr" "$3"
		put "$port/addr_trsvcid" "$4"
	fi
	shift 4
	for nqn in "$@"; do
		[ -d "$config/subsystems/$nqn" ] || die "there is no subsystem $nqn"
		link "$port/subsystems/$nqn" "subsystems/$nqn" || refused "$port cannot offer $nqn"
	done
	undo=:
}

status() {
	for namespace in "$config"/subsystems/*/namespaces/*; do
		[ -d "$namespace" ] || continue
		echo "${namespace#"$config/subsystems/"}: $(cat "$namespace/device_path"), p2pmem $(cat "$namespace/p2pmem")"
		sed 's/^/	/' "$namespace/p2pmem_stats"
	done
}

# ---- save ----

# What decides on other attributes comes before them: the transport resets addr_tsas, and that addr_treq; p2pmem
# is not checked against a path that is not there yet.
first="addr_trtype addr_tsas p2pmem"

# stable DEVICE: a name of it that is the same after the next boot
stable() {
	found=
	# The last one: nvme-MODEL_SERIAL alone, before nvme-MODEL_SERIAL_NSID, may be any of the drive's namespaces.
	for path in /dev/disk/by-id/*; do
		[ "$(readlink -f "$path")" != "$1" ] || found=$path
	done
	case $1 in
	/dev/nvme*) [ "$found" ] || say "$1 may be another drive after the next boot: nothing in /dev/disk/by-id leads to it" ;;
	esac
	echo "${found:-$1}"
}

# attribute PATH: a line that sets it to what it is now
attribute() {
	case $(stat -c %a "$1"),$1 in
	6*) ;;
	4*) return ;;
	*/revalidate_size) return ;;
	*) die "$1 can only be written: save cannot tell its value" ;;
	esac
	value=$(cat "$1") || die "cannot read $1"
	case $value in
	'' | '(null)') ;;	# never set
	*"$newline"*) die "$1 has more than one line" ;;
	*)
		case $1 in */device_path) value=$(stable "$value") ;; esac
		echo "set $1 $value" ;;
	esac
}

# item PATH: lines that make it, with all that is in it; enable comes last
item() {
	case $1 in *[[:space:]]*) die "'$1' has white space in its name" ;; esac
	echo "make $1"
	for name in $first; do
		[ ! -f "$1/$name" ] || attribute "$1/$name"
	done
	for path in "$1"/*; do
		[ -f "$path" ] || continue
		case " $first enable " in *" ${path##*/} "*) ;; *) attribute "$path" ;; esac
	done
	for path in "$1"/*; do
		[ -L "$path" ] || [ ! -d "$path" ] || item "$path"
	done
	# Disabled is what it is when it is made; to say so would reset attr_version, for passthru.
	[ ! -f "$1/enable" ] || [ "$(cat "$1/enable")" = 0 ] || attribute "$1/enable"
}

# links FOLDER: lines that make all links below it
links() {
	find "$1" -type l | LC_ALL=C sort | while read -r path; do
		target=$(readlink -f "$path")
		case $target in
		"$PWD"/*) echo "link $path ${target#"$PWD/"}" ;;
		*) die "$path leads to '$target'" ;;
		esac
	done
}

# In an order in which it can be set up again: who may connect, and how, before the ports open, which is when
# something is linked to them.
print_all() {
	cd "$config" && cd "$(pwd -P)" || exit
	for path in *; do
		[ -d "$path" ] || attribute "$path"
		case $path,$(stat -c %F "$path") in
		hosts,* | subsystems,* | ports,* | *,regular*) ;;
		*) die "'$path' is not known" ;;
		esac
	done
	for path in hosts/* subsystems/* ports/*; do
		[ ! -d "$path" ] || item "$path"
	done
	links subsystems || exit
	links ports || exit
	echo end
}

# Whether standard output is a file that others can read
public() { [ -f "/proc/$$/fd/1" ] && case $(stat -L -c %a "/proc/$$/fd/1") in *00) false ;; esac }

discard() { rm -f "$new"; }

# A file is there whole or as it was before, whenever the power fails.
save_file() {
	[ ! -e "$1" ] || [ -f "$1" ] || die "$1 is no file"
	new=$(mktemp "$1.XXXXXX") || die "cannot write $1"	# for nobody else to read
	undo=discard
	{ printf '%s\n' "$2" >"$new" && sync "$new" && mv "$new" "$1" && sync "$(dirname "$1")"; } || die "cannot write $1"
	undo=:
}

save() {
	text=$(LC_ALL=C print_all) || die "nothing was saved"
	if [ $# = 1 ]; then
		save_file "$1" "$text"
		return
	fi
	case $text in
	*key\ *) ! public || die "there are keys, which others could read: use save FILE" ;;
	esac
	printf '%s\n' "$text"
}

# ---- restore ----

# Who may connect, and how, is restored as it was or not at all. What cannot serve now holds up nothing else.
left_out=

# leave_out ITEM WHY
leave_out() {
	say "$1 $2"
	left_out=$1
}

# restore_namespace ITEM NAME VALUE: an attribute of a namespace, or of a subsystem's passthru
restore_namespace() {
	if [ "$2" = enable ]; then
		[ "$1" != "$left_out" ] || return 0
		device=$(cat "$config/$1/device_path")
		[ -e "$device" ] || { leave_out "$1" "stays disabled: $device is not there"; return; }
	fi
	try "$1/$2" "$3" && return
	since_log | pass_on
	leave_out "$1" "stays disabled: $2 cannot be set to '$3'"
}

restore_port() {
	link "$1" "$2" && return
	since_log | pass_on
	leave_out "$1" "is not opened"
}

restore_line() {
	rest=${1#* }
	path=${rest%% *}
	value=${rest#* }
	case "${1%% *} $path" in
	"make "*) make "$path" ;;
	"set subsystems/"*/namespaces/* | "set subsystems/"*/passthru/*)
		restore_namespace "${path%/*}" "${path##*/}" "$value" ;;
	"set "*) put "$path" "$value" ;;
	"link ports/"*) restore_port "$path" "$value" ;;
	"link "*) link "$path" "$value" || refused "cannot link $path to $value" ;;
	"end end") ;;
	*) die "'${1%% *}' is none of make, set, link: was this written by save?" ;;
	esac
}

nothing() {
	clear_all
	say "nothing was restored"
}

restore() {
	text=$(cat)
	case $newline$text in
	*"${newline}end") ;;
	*) die "the last line is not 'end': this was cut off, or not written by save. Nothing was restored" ;;
	esac
	undo=nothing
	while IFS= read -r line; do
		restore_line "$line"
	done <<-END
		$text
	END
	undo=:
	[ -z "$left_out" ] || { say "all else was restored"; exit 3; }
}

check_clear() {
	for path in "$config"/subsystems/* "$config"/ports/* "$config"/hosts/*; do
		[ ! -e "$path" ] || die "there is a configuration already: clear it first"
	done
}

# ---- remove ----

remove_port() {
	[ -d "$config/ports/$1" ] || die "there is no port $1"
	take "$config/ports/$1"/subsystems/* "$config/ports/$1"/referrals/*
	for group in "$config/ports/$1"/ana_groups/*; do
		[ "${group##*/}" = 1 ] || take "$group"		# comes and goes with the port
	done
	take "$config/ports/$1"
}

remove_namespace() {
	[ -d "$config/subsystems/$1/namespaces/$2" ] || die "$1 has no namespace $2"
	# That may take as long as a client stalls, and rmdir holds up all who look at the directory.
	put "subsystems/$1/namespaces/$2/enable" 0
	take "$config/subsystems/$1/namespaces/$2"
}

remove_subsystem() {
	[ -d "$config/subsystems/$1" ] || die "there is no subsystem $1"
	# First, as it ends what holds up somebody else's rmdir, and with that the directory
	take "$config"/ports/*/subsystems/"$1"
	take "$config/subsystems/$1"/namespaces/* \
		"$config/subsystems/$1"/allowed_hosts/* "$config/subsystems/$1"
}

clear_all() {
	for item in "$config"/ports/*; do
		[ ! -d "$item" ] || remove_port "${item##*/}"
	done
	for item in "$config"/subsystems/*; do
		[ ! -d "$item" ] || remove_subsystem "${item##*/}"
	done
	take "$config"/hosts/*
	[ ! -e "$config/discovery_nqn" ] || [ "$(cat "$config/discovery_nqn")" = $discovery ] ||
		put discovery_nqn $discovery
}

usage() { sed -n '/^#   nvmet/,/^# are/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

case $1 in export | port | remove | status | save | restore | clear) ;; *) usage ;; esac
[ -d "$config" ] || die "no $config: mount configfs, load nvmet"
new_log
case $1,$#,$2 in
export,5,*) export_namespace "$2" "$3" "$4" "$5" 0 ;;
export,6,*) export_namespace "$2" "$3" "$4" "$5" "$6" ;;
port,[6-9],* | port,[1-9][0-9],*) shift && add_port "$@" ;;
remove,3,port) remove_port "$3" ;;
remove,3,*) remove_namespace "$2" "$3" ;;
remove,2,*) remove_subsystem "$2" ;;
status,1,*) status ;;
save,[12],*) shift && save "$@" ;;
restore,[12],*)
	check_clear
	if [ $# = 1 ]; then restore; else restore <"$2" || exit 1; fi ;;
clear,1,*) clear_all ;;
*) usage ;;
esac
