#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What the KUnit suites said while the kernel booted, as one KTAP document.

debug=/sys/kernel/debug
cd $debug/kunit || exit 1

# Those that make allocations fail can do so only now: run them again.
if [ -d $debug/failslab ]; then
	# x86 uses a page table that it could not allocate: no failures from there.  Its functions
	# are neighbours, and the first one can be in a stack without the other.
	between=$(sort /proc/kallsyms | awk '
		after && $1 != last { end = $1; after = 0 }
		$3 == "add_pages" || $3 == "arch_add_memory" {
			if (!start)
				start = $1
			last = $1; after = 1
		}
		END { print start, end }')
	for way in failslab fail_page_alloc; do
		echo N >$debug/$way/ignore-gfp-wait
		echo 0 >$debug/$way/verbose
		echo "0x${between% *}" >$debug/$way/reject-start
		echo "0x${between#* }" >$debug/$way/reject-end
	done
	echo 0 >$debug/fail_page_alloc/min-order
	echo again >p2pdma_register/run
	# And everything that a task wants while it asks for that
	echo Y >$debug/failslab/task-filter
	echo -1 >$debug/failslab/times
	echo 100 >$debug/failslab/probability
	echo again >p2pdma_hostbridge/run
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
