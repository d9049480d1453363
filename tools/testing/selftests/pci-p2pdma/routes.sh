#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# routes.sh [BDF BDF]: what the kernel says of who reaches whom, for all that it knows, and for any two that it is
# asked for: those named, else the provider and a drive, or what else is there.

DIR=$(dirname "$0")
# shellcheck source=/dev/null
. "$DIR"/../kselftest/ktap_helpers.sh

debug=/sys/kernel/debug/p2pdma
routes=$debug/routes
route=$debug/route

# other_than BDF: a device that is no bridge, or that one if there is none
other_than() {
	for device in /sys/bus/pci/devices/*; do
		case $(cat "$device/class"),${device##*/} in
		0x06* | *,"$1") ;;
		*) echo "${device##*/}"; return ;;
		esac
	done
	echo "$1"
}

skip() { ktap_print_header; ktap_skip_all "$*"; exit "$KSFT_SKIP"; }

if [ $# = 2 ]; then
	a=$1 b=$2
else
	found=$("$DIR"/p2p_find provider)
	status=$?
	[ $status = 0 ] || { echo "$found"; exit $status; }
	eval "$found"
	b=$P2P_PROVIDER
	a=$(other_than "$b")
fi
[ -e $routes ] || skip "no $routes: needs CONFIG_DEBUG_FS, mounted"
[ "$(cat $routes 2>/dev/null)" ] || skip "$routes cannot be read, or is empty"

# ask CLIENT PROVIDER: the question is taken
ask() { echo "$@" 2>/dev/null >&3; }

ktap_print_header
ktap_set_plan 5
lines=$(cat $routes)
echo "$lines" | sed 's/^/# route /'
! echo "$lines" | grep -v "^[0-9a-f:.]* [0-9a-f:.]* read=[a-z-]* write=[a-z-]* .*reason=[a-z-]* "
ktap_test_result "routes: a verdict for each pair" test $? = 0

if ! (: 3<>$route) 2>/dev/null; then
	for _ in 1 2 3 4; do
		ktap_test_skip "route: cannot be opened, the kernel is locked down"
	done
	ktap_finished
fi
exec 3<>$route
ktap_test_result "route: nothing is said unasked" test "$(cat <&3 | wc -l)" = 1
ask "$a" "$b" && answer=$(cat <&3)
echo "$answer" | sed 's/^/# /'
echo "$answer" | grep -q "^$b $a read=.* write=.* distance=.* reason=" && echo "$answer" | grep -q "^why: ."
ktap_test_result "route: an answer for any two devices" test $? = 0
ask "${b#0000:}	 ${a#0000:}" && cat <&3 | grep -q "^$a $b read="
ktap_test_result "route: and for the other direction, in the same open file" test $? = 0
bad=
for text in "" "$a" "$a $b $b" "$a x" "x $b" "$a ${b}1" "$a 100:00.0" "$a 00:20.0" "$a 00:00.8" "$a $b
$b" "$a ffff:ff:1f.7"; do
	ask "$text" && bad="$bad '$text'"
done
[ -z "$bad" ] || echo "# accepted:$bad"
[ -z "$bad" ] && ask "$b" "$a" && cat <&3 | grep -q "^$a $b read="
ktap_test_result "route: what cannot be understood, or is not there, is refused" test $? = 0
exec 3>&-
ktap_finished
