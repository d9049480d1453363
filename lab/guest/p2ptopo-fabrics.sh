#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# p2ptopo-fabrics.sh NUMBER: KUnit draws as many random fabrics, eight settings of ACS for each, and writes them to
# files, with verdicts of the kernel's; p2ptopo has to say the same from what lspci would show of them.

# shellcheck source=/dev/null
. /p2p/lib.sh

parameters=/sys/module/random_test/parameters
suite=/sys/kernel/debug/kunit/p2pdma_random
batch=10

# draw: BATCH new fabrics, and what p2ptopo makes of them
draw() {
	rm -f /tmp/fabric.*
	echo again >$suite/run
	grep -q '^ok ' $suite/results || { cat $suite/results; return 1; }
	p2ptopo-check /tmp/fabric.*
}

plan 1
echo $batch >$parameters/fabrics
echo /tmp/fabric. >$parameters/dump
done=0
while [ $done -lt "$1" ] && draw >/tmp/said && grep -q "^$((batch * 8)) files, 0 of them bad$" /tmp/said; do
	done=$((done + batch))
done
sed 's/^/# /' /tmp/said
echo "# fabrics: $done"
grep -h '^# pair' /tmp/fabric.* | cut -d ' ' -f 8 | sort | uniq -c | sed 's/^/# /'
[ $done -ge "$1" ]
result $? "random fabrics: what the kernel says"
finish
