#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-save.sh MIB A B PROVIDER: a target with every attribute set that there is is saved, taken away and restored,
# then restored once more while PROVIDER is unplugged. Who was kept out before is kept out after that. What cannot serve
# is left out and named; what is cut off, or killed, restores nothing.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

mib=$1
config=/sys/kernel/config/nvmet
host=nqn.2014-08.org.example:with-a-key
key=DHHC-1:00:aG9zdCBrZXkgb2YgdGhlIHNlbGZ0ZXN0LCAzMiBCLi7ErUe4:
other_key=DHHC-1:00:Y3RybCBrZXkgb2YgdGhlIHNlbGZ0ZXN0LCAzMiBCLi5ryFEM:

# fill FOLDER, then NAME VALUE pairs: set attributes in this order
fill() {
	folder=$1
	shift
	while [ $# -gt 1 ]; do
		printf %s "$2" >"$config/$folder/$1" || echo "# cannot set $folder/$1 to '$2'"
		shift 2
	done
}

new() { mkdir "$config/$1" && fill "$@"; }

# Every writable attribute, as "WHERE VALUE", with what an administrator names left out of WHERE
attributes() {
	(cd "$config" && find . -type f -perm -600) | while read -r path; do
		kind=$(echo "$path" | sed 's,/\(hosts\|subsystems\|ports\|namespaces\|referrals\|ana_groups\)/[^/]*,/\1,g')
		echo "$kind $(cat "$config/$path")"
	done
}

# One of each kind of item, as they are when they are new
bare() {
	new hosts/bare
	new subsystems/bare
	new subsystems/bare/namespaces/1
	new ports/1
	new ports/1/ana_groups/2
	new ports/1/referrals/r
}

everything() {
	fill . discovery_nqn nqn.2014-08.org.example:discovery
	new hosts/$host dhchap_key $key
	new hosts/nqn.2014-08.org.example:both-ways dhchap_key $other_key dhchap_ctrl_key $key \
		dhchap_hash 'hmac(sha512)' dhchap_dhgroup ffdhe2048
	new subsystems/all attr_version 1.4 attr_serial ' a  serial' attr_model ' back\nslash  ' attr_firmware ' f\t ' \
		attr_ieee_oui 0x123456 attr_cntlid_min 7 attr_cntlid_max 77 attr_qid_max 3 attr_pi_enable 1
	ln -s "$config"/hosts/* "$config/subsystems/all/allowed_hosts/"
	new subsystems/all/namespaces/5 device_path "$a" device_nguid 01234567-89ab-cdef-0123-456789abcdef \
		device_uuid 89abcdef-0123-4567-89ab-cdef01234567 ana_grpid 2 p2pmem 1 enable 1
	new subsystems/all/namespaces/6 device_path /tmp/file buffered_io 1
	new subsystems/through passthru/device_path "${b%n1}" passthru/admin_timeout 11 passthru/io_timeout 22 \
		passthru/clear_ids 1 passthru/enable 1
	new subsystems/served attr_allow_any_host 1
	new subsystems/served/namespaces/1 device_path "$a" p2pmem "slot:$slot" device_p2pmem_cpu 1 enable 1
	new subsystems/served/namespaces/2 device_path "$b" device_p2pmem_cpu 1 device_p2pmem "$provider" enable 1
	new ports/1 addr_trtype tcp addr_adrfam ipv4 addr_traddr 127.0.0.1 addr_trsvcid 4420 addr_tsas none \
		addr_treq required param_inline_data_size 8192 param_max_queue_size 64
	new ports/1/ana_groups/2 ana_state inaccessible
	new ports/1/referrals/elsewhere addr_portid 3 addr_trtype rdma addr_adrfam ipv6 addr_traddr fe80::1 \
		addr_trsvcid 4421 addr_treq 'not required' enable 1
	new ports/2 addr_trtype rdma addr_adrfam ib param_pi_enable 1
	new ports/3 addr_trtype loop ana_groups/1/ana_state non-optimized
	new ports/3/ana_groups/2 ana_state optimized
	for port in 1 3; do
		ln -s "$config/subsystems/all" "$config/subsystems/served" "$config/subsystems/through" \
			"$config/ports/$port/subsystems/"
	done
}

# What has one value only, as this kernel is configured, or has been set to what it is when new
not_set() {
	awk 'NR == FNR { new[$0] = kinds[$1] = 1; next } !new[$0] { seen[$1] = 1 }
		END { for (kind in kinds) if (!seen[kind]) print kind }' /tmp/bare /tmp/full
}

empty() { [ -z "$(ls "$config/hosts")$(ls "$config/subsystems")$(ls "$config/ports")" ]; }

# let_in OPTIONS: whether the host can connect to all that there is
let_in() { { echo "nqn=all,hostnqn=$host,hostid=89abcdef-0123-4567-89ab-cdef01234568,$1" >/dev/nvme-fabrics; } 2>/dev/null; }

over_loop=transport=loop
over_tcp=transport=tcp,traddr=127.0.0.1,trsvcid=4420

# instance TRANSPORT: the number of its controller
instance() {
	for dir in /sys/class/nvme/nvme*; do
		[ "$(cat "$dir/transport"),$(cat "$dir/subsysnqn")" = "$1,all" ] && echo "${dir##*/nvme}"
	done
}

has_drive() { [ -b "$(node "$(instance "$1")" 5)" ]; }
readable() { dd if="$(node "$1" 5)" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; }

kept_out() {
	! let_in $over_loop && ! let_in $over_tcp && ! let_in $over_loop,dhchap_secret=$other_key
	result $? "$1: a host without its key, or with another, is refused"
	let_in $over_loop,dhchap_secret=$key && let_in $over_tcp,dhchap_secret=$key &&
		until_ok has_drive loop && until_ok has_drive tcp
	result $? "$1: with its key it is not"
	one=$(instance loop)
	two=$(instance tcp)
	readable "$one" && ! readable "$two"
	result $? "$1: a path that is optimized is, and one that is inaccessible is"
	disconnect "$one"
	disconnect "$two"
}

# stat_of NSID NAME
stat_of() { sed -n "s/^$2 //p" "$config/subsystems/served/namespaces/$1/p2pmem_stats"; }
gone() { [ ! -e "/sys/bus/pci/devices/$provider" ]; }
provides() { [ -e "/sys/bus/pci/devices/$provider/p2pmem/size" ] && [ -n "$(controller "$1")" ]; }
read_both() { read_pattern "$(node "$one" 1)" && read_pattern "$(node "$one" 2)"; }
taken_up() { [ "$(grep -c "^controller .* $provider" "$config"/subsystems/served/namespaces/?/p2pmem_stats | grep -c :1)" = 2 ]; }

refused_names() {
	new subsystems/bad
	new subsystems/bad/namespaces/1
	ns=$config/subsystems/bad/namespaces/1
	for value in 0000:fe:1f.8 slot: serial:01-23 5:00.0; do
		refuses "$ns/p2pmem" "$value" "Invalid argument" "names no PCI device" "'$value' is refused"
	done
	new_log
	fill subsystems/bad/namespaces/1 p2pmem 0000:fe:1f.7 && [ "$(cat "$ns/device_p2pmem")" = 0000:fe:1f.7 ] &&
		since_log | grep -q "0000:fe:1f.7 has no published peer memory now"
	result $? "a device that is not there is taken, shown by both names, and told of"
	fill subsystems/bad/namespaces/1 p2pmem serial:01-23-45-67-89-ab-cd-ef && [ "$(cat "$ns/p2pmem")" = serial:01-23-45-67-89-ab-cd-ef ]
	result $? "so is a serial number"
	! mkdir "$config/ports/9" "$config/ports/9/referrals/white space" || nvmet-config.sh save /tmp/none 2>/tmp/said
	[ ! -e /tmp/none ] && grep -q "'ports/9/referrals/white space' has white space" /tmp/said
	result $? "what cannot be saved is named, and nothing is written"
	nvmet-config.sh clear && empty
	result $? "referrals are taken away, too"
}

same() {
	nvmet-config.sh save /tmp/again && diff /tmp/saved /tmp/again >/tmp/differs && return
	sed 's/^/# /' /tmp/differs
	return 1
}

# linked DEVICE NAME: as udev does it
linked() { mkdir -p /dev/disk/by-id && ln -s "../../${1#/dev/}" "/dev/disk/by-id/$2"; }

by_id() {
	linked "$a" nvme-model_serial
	linked "$a" nvme-model_serial_1
	linked "$b" nvme-other
	nvmet-config.sh save /tmp/saved 2>/tmp/said && [ "$(command stat -c %a /tmp/saved)" = 600 ]
	result $? "saved, for nobody else to read"
	grep -q "namespaces/5/device_path /dev/disk/by-id/nvme-model_serial_1$" /tmp/saved &&
		grep -q "namespaces/2/device_path /dev/disk/by-id/nvme-other$" /tmp/saved
	result $? "drives by links that are the same after the next boot"
	[ "$(wc -l </tmp/said)" = 1 ] && grep -q "${b%n1} may be another drive" /tmp/said
	result $? "what has no such link is named"
}

cut_off() {
	size=$(wc -c </tmp/saved)
	for bytes in 0 1 $((size / 3)) $((size / 2)) $((size - 5)) $((size - 2)); do
		head -c "$bytes" /tmp/saved >/tmp/cut
		! nvmet-config.sh restore /tmp/cut 2>/dev/null && empty || return
	done
}

# It takes a while, and is killed meanwhile.
killed() {
	{ seq 500 | sed "s,^,make hosts/,"; echo end; } >/tmp/long
	nvmet-config.sh restore /tmp/long 2>/tmp/said &
	restore=$!
	until_ok [ -d "$config/hosts/9" ]
	kill $restore
	! wait $restore && empty && sleep 1 && empty && [ -s /tmp/said ]
}

# Nothing stays behind where it cannot be written.
no_file() {
	before=$(ls -a /tmp)
	! nvmet-config.sh save /tmp 2>/dev/null && ! nvmet-config.sh save /tmp/none/file 2>/dev/null && [ "$(ls -a /tmp)" = "$before" ]
}

# One namespace's drive is missing, another's takes no peer memory, one port's address is nobody's: all else serves.
left_out() {
	sed -e '/served.namespaces.1.device_path/s,/dev/.*,/dev/disk/by-id/gone,' \
		-e '/served.namespaces.2.device_path/s,/dev/.*,/dev/ram0,' -e '/ports.1.addr_traddr/s/127.0.0.1/192.0.2.1/' \
		/tmp/saved >/tmp/changed
	nvmet-config.sh restore /tmp/changed 2>/tmp/said
	[ $? = 3 ] && ! empty
	result $? "restored but for what cannot serve, the status says so"
	sed 's/^/# said: /' /tmp/said
	grep -q "served/namespaces/1 stays disabled: /dev/disk/by-id/gone is not there" /tmp/said &&
		grep -q "the kernel says: .*served nsid 2: no p2pmem: .*takes no peer memory" /tmp/said &&
		grep -q "served/namespaces/2 stays disabled" /tmp/said
	result $? "namespaces are named, with the reason"
	[ "$(grep -c "ports/1/subsystems/[a-z]* is not opened" /tmp/said)" = 3 ]
	result $? "so is the port"
	[ "$(cat "$config"/subsystems/served/namespaces/?/enable | tr -d '\n')" = 00 ] &&
		let_in $over_loop,dhchap_secret=$key && until_ok has_drive loop && one=$(instance loop) && readable "$one"
	result $? "a client of the others works"
	disconnect "$one"
	nvmet-config.sh clear
}

while_away() {
	lab unplug "$1"
	until_ok gone && nvmet-config.sh restore /tmp/saved && same
}

plan 33
announce "$2" "$3" "$4" && announce_bar "$4"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
b=$(drive_node "$3")
provider=$(drive_bdf "$4")
slot=$(slot_of "$provider")
slot=${slot##*/}
make_pattern "$mib"
dd if=/dev/zero of=/tmp/file bs=1M count=1 2>/dev/null
write_pattern "$a" && write_pattern "$b"

refused_names
bare
attributes >/tmp/bare
nvmet-config.sh clear
everything
attributes >/tmp/full
[ -z "$(not_set)" ]
result $? "every attribute is set: $(not_set | tr '\n' ' ')"
kept_out before

by_id
no_file
result $? "not to a directory"
! (umask 022 && nvmet-config.sh save >/tmp/public) 2>/dev/null && [ ! -s /tmp/public ]
result $? "keys are not printed into what others can read"
sed 's/^/# /' /tmp/saved
nvmet-config.sh clear && empty && [ "$(cat "$config/discovery_nqn")" != nqn.2014-08.org.example:discovery ]
result $? "taken away"
cut_off
result $? "what is cut off, wherever, is not restored"
killed
result $? "what is killed leaves nothing, and nothing at work"
nvmet-config.sh restore /tmp/saved && same
result $? "restored, and saved once more, it is the same"
kept_out after
nvmet-config.sh clear
left_out

while_away "$4"
result $? "restored while the provider is unplugged, it is the same"
one=$(connect tcp 127.0.0.1 served 2) && read_both
result $? "both drives are read"
[ "$(stat_of 1 ram_gone)" -gt 0 ] && [ "$(stat_of 2 ram_gone)" -gt 0 ] && [ "$(stat_of 1 requests)" = 0 ]
result $? "from RAM, counted as gone"
lab replug "$4"
until_ok provides "$4" && until_ok taken_up && read_both && [ "$(stat_of 1 cpu_bytes)" -gt 0 ] && [ "$(stat_of 2 cpu_bytes)" -gt 0 ]
result $? "a provider that is plugged in is taken up, by slot and by address"
disconnect "$one"
nvmet-config.sh clear
finish
