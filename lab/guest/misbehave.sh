#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Goes wrong in one way each, and is otherwise a perfect pass: the lab must not take it for one.

# misbehave.sh HOW PROVIDER FROM TO
how=$1
echo "TAP version 13"
if [ "$how" = short ]; then echo "1..2"; else echo "1..1"; fi
case $how in
failing)	echo "not ok 1 misbehave"; exit 0 ;;
skipped)	echo "ok 1 misbehave # SKIP nothing to do"; exit 0 ;;
esac
echo "ok 1 misbehave"
case $how in
not | short)	;;
status)		exit 3 ;;
panic)		echo c >/proc/sysrq-trigger ;;
hang)		while :; do sleep 1; done ;;
warn)		echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT ;;
oops)		echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT ;;
silent)		poweroff -f ;;
lost)		echo "# lab: phase begin lost" >&3; read -r _ <&3 ;;
cpu)		# What a mapping is given to begin with, it is given by the CPU.
		# shellcheck source=/dev/null
		. "$(dirname "$0")/lib.sh"
		announce "$2" "$3" "$4" && announce_bar "$2"
		lab phase begin cpu watched
		p2p_copy --from "$(drive_node "$3")" --to "$(drive_node "$4")" --via "$(drive_bdf "$2")" --bytes 4096
		lab phase end cpu ;;
peek)		# Memory that no trace shows, in a phase that is not watched; one byte of it, at the end
		# shellcheck source=/dev/null
		. "$(dirname "$0")/lib.sh"
		announce "$2" "$3" "$4" && announce_bar "$2"
		p2p_copy --from "$(drive_node "$3")" --to "$(drive_node "$4")" --via "$(drive_bdf "$2")" --bytes 4194304 \
			--phase peek --peek ;;
taint)		echo 64 >/proc/sys/kernel/tainted ;;
fault)		echo "<3>DMAR: [DMA Write NO_PASID] Request device [00:01.0] fault addr 0x0" >/dev/kmsg ;;
esac
