#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# coverage.sh [PROGRAM [ARGUMENTS]]: what the suites said, or what the program says; then the counters of gcov.

"${@:-kunit.sh}" || exit
find /sys/kernel/debug/gcov -name '*.gcda' | grep -e '/drivers/pci/p2pdma' -e '/drivers/nvme/target/p2pmem' | while read -r file; do
	echo "# gcda ${file#*/drivers/} $(base64 -w 0 "$file")"
done
