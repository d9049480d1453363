#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# p2ptopo-fabrics.sh NUMBER: KUnit draws as many random fabrics, eight settings of ACS for each, and writes them to
# files, with verdicts of the kernel's; p2ptopo has to say the same from what lspci would show of them.

# shellcheck source=/dev/null
. /p2p/lib.sh

parameters=/sys/module/random_test/parameters
suite=/sys/kernel/debug/kunit/p2pdma_random
batch=10

# draw FOLDER: BATCH new fabrics
draw() {
	rm -rf "$1"
	mkdir "$1"
	echo "$1/" >$parameters/dump
	echo again >$suite/run
	grep -q '^ok ' $suite/results || { cat $suite/results; return 1; }
}

# check FOLDER: what p2ptopo makes of them
check() {
	p2ptopo-check "$1"/* >/tmp/said
	grep -q "^$((batch * 8)) files, 0 of them bad$" /tmp/said
}

plan 1
echo $batch >$parameters/fabrics
done=0
now=/tmp/fabrics.0
next=/tmp/fabrics.1
last=$now
draw $now || exit 1
# One CPU draws while the other checks what was drawn before.
while [ $done -lt "$1" ]; do
	check $now &
	checked=$!
	if [ $((done + batch)) -lt "$1" ]; then
		draw $next || break
	fi
	wait $checked || break
	done=$((done + batch))
	last=$now
	now=$next
	next=$last
done
sed 's/^/# /' /tmp/said
echo "# fabrics: $done"
grep -h '^# pair' "$last"/* | cut -d ' ' -f 8 | sort | uniq -c | sed 's/^/# /'
[ $done -ge "$1" ]
result $? "random fabrics: what the kernel says"
finish
