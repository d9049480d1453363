#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Goes wrong in one way each, and is otherwise a perfect pass: the lab must not take it for one.

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
taint)		echo 64 >/proc/sys/kernel/tainted ;;
fault)		echo "<3>DMAR: [DMA Write NO_PASID] Request device [00:01.0] fault addr 0x0" >/dev/kmsg ;;
esac
