#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What the KUnit suites said while the kernel booted, as one KTAP document.

debug=/sys/kernel/debug
cd $debug/kunit || exit 1

# Those that make allocations fail can do so only now: run them again.
if [ -d $debug/failslab ]; then
	for way in failslab fail_page_alloc; do
		echo N >$debug/$way/ignore-gfp-wait
		echo 0 >$debug/$way/verbose
	done
	echo 0 >$debug/fail_page_alloc/min-order
	echo again >p2pdma_register/run
fi

set -- p2pdma*
echo "KTAP version 1"
echo "1..$#"
number=0
for suite; do
	number=$((number + 1))
	# Each file is a document of its own, with one test in it
	sed -e 1,2d -e "s/^\(not ok\|ok\) 1 /\1 $number /" "$suite/results"
done
