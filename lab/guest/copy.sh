#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# copy.sh MIB PROVIDER:FROM:TO:OUTCOME...: drive to drive through peer memory, each in MIB of its own.
# OUTCOME is "ok", or the step that has no route and must fail: "fill" (FROM writes the memory) or
# "drain" (TO reads it). A refused copy says EREMOTEIO and leaves TO as it was.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

EREMOTEIO=121
WATCHED_KIB=$((${P2P_WATCHED_KIB:-256}))	# of each copy once more, with all accesses to the memory traced
mib=$1
shift
at=0

copy_one() {
	provider=$(drive_bdf "$1") && from=$(drive_node "$2") && to=$(drive_node "$3") || return 1
	want=$(digest "$from" $at "$mib")
	before=$(digest "$to" $at "$mib")
	[ "$want" != "$before" ] || { echo "# $2 and $3 hold the same before the copy"; return 1; }

	said=$(p2p_copy --from "$from" --to "$to" --via "$provider" --bytes $((mib << 20)) --offset $((at << 20)) \
		--phase "$1.$2.$3" 2>&1)
	status=$?
	echo "$said" | sed 's/^/# /'
	p2p_copy --from "$from" --to "$to" --via "$provider" --bytes $((WATCHED_KIB << 10)) \
		--offset $((at << 20)) --watch "$1.$2.$3.watched" >/dev/null 2>&1
	[ $? = $status ] || { echo "# the second copy fares differently"; return 1; }
	after=$(digest "$to" $at "$mib")
	# Nothing is wrong with the drive
	! dmesg | grep " error, dev ${from#/dev/}\\>\| error, dev ${to#/dev/}\\>" || return 1
	case $4 in
	ok)	[ $status = 0 ] && [ "$after" = "$want" ] ;;
	fill)	[ $status = 3 ] && [ "$after" = "$before" ] && refused ;;
	drain)	[ $status = 4 ] && [ "$after" = "$before" ] && refused ;;
	*)	echo "# unknown outcome $4"; false ;;
	esac
}

refused() {
	case $said in
	*"errno $EREMOTEIO"*) true ;;
	*) echo "# refused, but not with EREMOTEIO"; false ;;
	esac
}

plan $#
for pair in "$@"; do
	IFS=: read -r provider source target outcome <<-END
		$pair
	END
	announce_bar "$provider" && copy_one "$provider" "$source" "$target" "$outcome"
	result $? "$source to $target through $provider: $outcome"
	at=$((at + mib))
done
finish
