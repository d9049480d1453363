#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# routes.sh SERIAL...: says what the kernel's verdicts are. Whoever knows the topology compares.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

file=/sys/kernel/debug/p2pdma/routes
[ -e "$file" ] || skip_all routes "this kernel has no $file"

answers=/sys/kernel/debug/p2pdma/route

# ask CLIENT PROVIDER: the question is taken
ask() { echo "$@" 2>/dev/null >&3; }

plan 6
announce "$@"
result $? "drives are there"
lines=$(cat "$file")
status=$?
echo "$lines" | sed 's/^/# route /'
[ $status = 0 ] && [ -n "$lines" ]
result $? "routes can be read"

# Any two, also those that provide nothing
exec 3<>$answers
[ "$(cat <&3 | wc -l)" = 1 ]
result $? "route: nothing is said unasked"
a=$(drive_bdf "$1")
b=$(drive_bdf "$2")
ask "$a" "$b" && answer=$(cat <&3)
echo "$answer" | sed 's/^/# /'
echo "$answer" | grep -q "^$b $a read=.* write=.* distance=.* reason=" && echo "$answer" | grep -q "^why: ."
result $? "route: an answer for any two drives"
ask "${b#0000:}	 ${a#0000:}" && cat <&3 | grep -q "^$a $b read="
result $? "route: and for the other direction, in the same open file"
bad=
for text in "" "$a" "$a $b $b" "$a x" "x $b" "$a ${b}1" "$a 100:00.0" "$a 00:20.0" "$a 00:00.8" "$a $b
$b" "$a ffff:ff:1f.7"; do
	ask "$text" && bad="$bad '$text'"
done
[ -z "$bad" ] || echo "# accepted:$bad"
[ -z "$bad" ] && ask "$b" "$a" && cat <&3 | grep -q "^$a $b read="
result $? "route: what cannot be understood, or is not there, is refused"
exec 3>&-
finish
