#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# outage.sh: the function that provides memory is reset again and again while drives do direct I/O with it. What was
# on its way fails, nothing wrong succeeds, and it goes on afterwards. Wants P2P_RESET and P2P_OVERWRITE: see find.c.

DIR=$(dirname "$0")
# shellcheck source=/dev/null
. "$DIR"/../kselftest/ktap_helpers.sh

rounds=10
found=$("$DIR"/p2p_find provider reset read write)
status=$?
[ $status = 0 ] || { echo "$found"; exit $status; }
eval "$found"
device=/sys/bus/pci/devices/$P2P_PROVIDER
if [ ! -e "$device/reset" ]; then
	ktap_print_header
	ktap_skip_all "$P2P_PROVIDER cannot be reset"
	exit "$KSFT_SKIP"
fi

work=$(mktemp -d)
stop=$work/stop
said=$work/said
trap 'rm -rf "$work"' EXIT

resets() {
	for _ in $(seq $rounds); do
		sleep 0.2
		echo 1 >"$device/reset" || return 1
	done
}

# with VERB...: direct I/O meanwhile
with() {
	rm -f "$stop"
	"$DIR"/p2p_outage "$P2P_FROM" "$P2P_TO" "$stop" >"$said" &
	worker=$!
	sleep 0.5
	"$@"
	done=$?
	sleep 0.5
	: >"$stop"
	wait $worker
	intact=$?
	sed 's/^/# /' "$said"
	return $done
}

failed_some() { ! grep -q "failed=0 .*failed=0 " "$said"; }
succeeded_some() { ! grep -q -e "reads=0 " -e "writes=0 " "$said"; }

# write_command BYTE: into the low byte of the Command register
write_command() {
	printf '%b' "\\0$(printf %o "$1")" | dd of="$device/config" bs=1 seek=4 conv=notrunc 2>/dev/null
}

# Memory decoding (bit 1) is turned off and on again, by somebody who writes to config space.
decoding() {
	command=$(dd if="$device/config" bs=1 skip=4 count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
	for _ in $(seq $rounds); do
		write_command $((command & ~2)) && sleep 0.1 && write_command "$command" && sleep 0.2 || return 1
	done
}

ktap_print_header
ktap_set_plan 9
free=$(cat "$device/p2pmem/available")
echo "# reset methods: $(cat "$device/reset_method")"

with true && [ $intact = 0 ] && succeeded_some && ! failed_some
ktap_test_result "direct I/O without a reset" test $? = 0

with resets
ktap_test_result "the function can be reset under use" test $? = 0
ktap_test_result "no wrong byte with good status, no other error" test $intact = 0
ktap_test_result "what was on its way failed" failed_some
ktap_test_result "the rest succeeded" succeeded_some

with decoding && [ $intact = 0 ] && failed_some
ktap_test_result "no wrong byte with good status while memory decoding goes off and on" test $? = 0
ktap_test_result "the rest succeeded" succeeded_some

with true && [ $intact = 0 ] && succeeded_some && ! failed_some
ktap_test_result "afterwards it goes on" test $? = 0
ktap_test_result "nothing lost: $free bytes are free" test "$(cat "$device/p2pmem/available")" = "$free"
ktap_finished
