#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# routes.sh SERIAL...: says what the kernel's verdicts are. Whoever knows the topology compares.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

file=/sys/kernel/debug/p2pdma/routes
[ -e "$file" ] || skip_all routes "this kernel has no $file"

plan 2
announce "$@"
result $? "drives are there"
lines=$(cat "$file")
status=$?
echo "$lines" | sed 's/^/# route /'
[ $status = 0 ] && [ -n "$lines" ]
result $? "routes can be read"
finish
