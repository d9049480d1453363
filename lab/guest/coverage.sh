#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# coverage.sh [PROGRAM [ARGUMENTS]]: what the suites said, or what the program says; then the counters of gcov.

"${@:-kunit.sh}" || exit
find /sys/kernel/debug/gcov -name '*.gcda' | grep '/drivers/pci/p2pdma' | while read -r file; do
	echo "# gcda ${file#*/drivers/pci/} $(base64 -w 0 "$file")"
done
