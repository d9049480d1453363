#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# selftests.sh PROVIDER A B: the selftests as they are installed, by run_kselftest.sh, on machines on which there is more
# and more for them: no provider, one that they find, drives that are named but in use, drives that they may overwrite.
# What each of them says goes to the host, behind the name of the run. PROVIDER has no driver at first.
# shellcheck disable=SC2046,SC2086 # lists of words

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

folder=/selftests/pci-p2pdma

# run NAME [VARIABLE=VALUE...] ARGUMENT...: nobody tells them that they are in the lab
run() {
	name=$1
	shift
	env -u P2P_LAB -u P2P_RAM_BARS PATH=/bin "$@" 2>&1 </dev/null | cat >/tmp/"$name"
	sed "s/^/# $name: /" /tmp/"$name"
}

all="/selftests/run_kselftest.sh -c pci-p2pdma"
only() { for test in "$@"; do printf ' -t pci-p2pdma:%s' "$test"; done; }

# count NAME PATTERN: lines of a run
count() { grep -c -e "$2" /tmp/"$1"; }
all_tests=$(wc -l </selftests/kselftest-list.txt)

# writes NODE: how many it has had
writes() { awk '{ print $5 }' "/sys/block/${1##*/}/stat"; }

# unwritten NODE COUNT
unwritten() { [ "$(writes "$1")" = "$2" ] || { echo "# $1 was written to"; return 1; }; }

plan 11
a=$(drive_node "$2") && b=$(drive_node "$3")
result $? "drives are there"
had_a=$(writes "$a") had_b=$(writes "$b")
run nothing $all
[ "$all_tests" -gt 9 ] && [ "$(count nothing "^ok .* # SKIP$")" = "$all_tests" ] &&
	[ "$(count nothing "^# 1..0 # SKIP no device provides peer memory")" = "$all_tests" ]
result $? "without a provider all $all_tests skip, and say so"

provider=$(drive_bdf "$1")
run found $all
[ "$(count found "^not ok")" = 0 ] && [ "$(count found "^ok .*[^P]$")" -ge 6 ]
result $? "with one that they find, $(count found "^ok .*[^P]$") of them run"
unwritten "$a" "$had_a" && unwritten "$b" "$had_b"
result $? "no drive was written to"

# Named, but one is swap and the other has a partition that is mounted
{ mkswap "$a" && swapon "$a" && partition "$b" 24 && mkfs.ext4 -q -F "${b}p1" && mount -o ro "${b}p1" /mnt; } >/tmp/log 2>&1
result $? "drives are taken into use"
sync
had_a=$(writes "$a") had_b=$(writes "$b")
run used P2P_OVERWRITE="$a $b" /selftests/run_kselftest.sh $(only p2p_drive nvmet-loop.sh outage.sh)
[ "$(count used "^ok .* nvmet-loop.sh # SKIP$")" = 1 ] && [ "$(count used "^not ok")" = 0 ] &&
	grep -q "$a is swap: it is not written to" /tmp/used && grep -q "$b is mounted on /mnt: it is not written to" /tmp/used &&
	grep -q "SKIP .*not written to" /tmp/used
result $? "drives that are named but in use are left alone, which they say"
unwritten "$a" "$had_a" && unwritten "$b" "$had_b"
result $? "no drive was written to"
umount /mnt && swapoff "$a"
nvmet-config.sh export used 1 "$a" 0
run served P2P_OVERWRITE="$a" $folder/p2p_find provider write
grep -q "^1..0 # SKIP $a is served by the NVMe target: it is not written to" /tmp/served
result $? "nor is one that the NVMe target serves"
nvmet-config.sh clear

had_a=$(writes "$a")
run named P2P_OVERWRITE="$b" P2P_RESET="$provider" P2P_SWAP=/dev/ram0 $all
[ "$(count named "^not ok")" = 0 ] && [ "$(count named "^ok .*[^P]$")" -ge 9 ] && unwritten "$a" "$had_a"
result $? "with a drive that they may overwrite, $(count named "^ok .*[^P]$") of them run, and write to no other"

# A name that is wrong is no reason to skip; nor does a copy pass that has copied nothing.
run wrong P2P_PROVIDER=0000:fe:1f.7 $all
[ "$(count wrong "^not ok .* # exit=1$")" = "$all_tests" ] && grep -q "P2P_PROVIDER: no .*/0000:fe:1f.7" /tmp/wrong
result $? "with a provider named that is not there, all are red"
printf '#!/bin/sh\nexit 0\n' >$folder/p2p_through
run planted P2P_OVERWRITE="$b" /selftests/run_kselftest.sh $(only nvmet-loop.sh)
[ "$(count planted "^not ok 1 ")" = 1 ] && [ "$(count planted "^# not ok")" -gt 0 ]
result $? "with a copy that does nothing, the test of it is red"
finish
