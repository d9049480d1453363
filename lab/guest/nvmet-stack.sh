#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-stack.sh MIB PROVIDER A B C FAR: an NVMe-oF target on a volume on a mirror of A and B that serves from
# PROVIDER's memory, over loop and TCP; and what it does when FAR is made a member, which does not reach that.

# shellcheck source=lab/guest/stack-lib.sh
. "$(dirname "$0")/stack-lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

export MDADM_NO_UDEV=1
mkdir -p /run/mdadm
mib=$1 member=8
lv=/dev/dm-0

mirror() {
	mdadm --create $md --run --force --metadata=1.0 --size=${member}M --level=1 --raid-devices=2 --bitmap=internal "$@" \
		</dev/null >/tmp/mdadm.log 2>&1 && in_sync
}

# reload TABLE: of the volume, under its clients
reload() { printf "%b" "$1" | dmsetup load volume && dmsetup resume volume --noudevsync --noudevrules; }

plan 16
announce "$2" "$3" "$4" "$5" "$6" && announce_bar "$2"
result $? "drives and peer memory are there"
card=$(drive_bdf "$2")
a=$(drive_node "$3")
b=$(drive_node "$4")
c=$(drive_node "$5")
far=$(drive_node "$6")
make_pattern "$mib"

mirror "$a" "$b" && echo "0 $((member << 11)) linear $md 0" | dmsetup create volume --noudevsync --noudevrules
result $? "a volume on a mirror"
p2ptopo explain $lv "$card" >/tmp/explained && sed 's/^/# /' /tmp/explained &&
	grep -q "^dm-0 (volume), of md0: $(drive_bdf "$3") $(drive_bdf "$4")$" /tmp/explained &&
	grep -q "^dm-0: all that it is on reaches $card$" /tmp/explained && p2ptopo | grep -q "^  md0 (raid1), of "
result $? "p2ptopo: what it is on reaches the memory"
moved_by_kernel() { sort -u /sys/kernel/debug/block/dm-0/peer_memory | xargs; }
[ "$(moved_by_kernel)" = "pci $(drive_bdf "$4") pci $(drive_bdf "$3") takes peer memory: yes" ] ||
	[ "$(moved_by_kernel)" = "pci $(drive_bdf "$3") pci $(drive_bdf "$4") takes peer memory: yes" ]
result $? "debugfs: who moves its data, and that it takes peer memory"
nvmet-config.sh export volume 1 $lv "$card" 1 && nvmet-config.sh port 1 tcp 127.0.0.1 4420 volume &&
	nvmet-config.sh port 2 loop - - volume
result $? "it is exported with the memory of a provider"
one=$(connect tcp 127.0.0.1 volume) && phase tcp round_trip "$(node "$one" 1)" && equal "$a" "$b"
result $? "TCP: data come back, and are on both members"
[ "$(stat volume cpu_bytes)" -ge $((2 * mib << 20)) ] && [ "$(stat volume ram_unreachable)" = 0 ]
result $? "from peer memory alone"
two=$(connect loop - volume) && moves loop "$c" "$(node "$two" 1)" "$mib" && equal "$a" "$b"
result $? "loop: peer memory of the host is on both members"
disconnect "$two"

half=$((member << 10))
reload "0 $half linear /dev/ram0 0\n$half $half linear $md $half\n" && make_pattern "$mib" && round_trip "$(node "$one" 1)" &&
	more volume ram_drive 0
result $? "the volume takes no peer memory any more: data come back, and are in RAM"
served=$(stat volume requests)
reload "0 $((2 * half)) linear $md 0\n" && sleep 2 && round_trip "$(node "$one" 1)" && more volume requests "$served"
result $? "it takes some again: so does the target"

mdadm --quiet $md --add "$far" && mdadm --quiet --grow $md --raid-devices=3 && in_sync && make_pattern "$mib" &&
	round_trip "$(node "$one" 1)" && sleep 2 && phase ram round_trip "$(node "$one" 1)"
result $? "a member is added that does not reach the memory: data come back"
more volume ram_unreachable 0 && equal "$a" "$far" && equal "$a" "$b" && grep -q "\[UUU\]" /proc/mdstat
result $? "they are in RAM, counted, and on all members, none of which is failed"
p2ptopo explain $lv "$card" >/tmp/explained && grep -q "^dm-0: 2 of the 3 functions that it is on reach $card" /tmp/explained
result $? "p2ptopo: one of its members does not"
disconnect "$one"
nvmet-config.sh clear
result $? "everything is taken away"

new_log
! nvmet-config.sh export volume 1 $lv "$card" 1 2>/tmp/said && grep -q "cannot reach the memory of $card" /tmp/said
result $? "that provider is refused now"
since_log | grep -q "$(drive_bdf "$6").*cannot\|$(drive_bdf "$6").*root-complex-unknown"
result $? "and the log says which drive does not reach it"
nvmet-config.sh clear
dmsetup remove volume --noudevsync --noudevrules
mdadm --quiet --stop $md
finish
