# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the shell scripts beside it.

# shellcheck disable=SC2034 # for those that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf 'p2p: %s\n' "$*"; }

# die WHAT IS WRONG: WHAT TO DO
die() { printf 'p2p: %s\n' "$*" >&2; exit 1; }

# help_against WHAT A COMMAND SAID: what to do about it
help_against() {
	case $1 in
	*"No space left"*)	echo "free some space" ;;
	*"Read-only file"*)	echo "mount it writable, or work in a clone elsewhere" ;;
	*denied*)		echo "run as its owner ($(stat -c %U "$root")), or change its permissions" ;;
	*)			echo "see what is wrong there" ;;
	esac
}

# need_space DIR MIB: refuse to start what cannot finish
need_space() {
	local free said

	said=$(LC_ALL=C mkdir -p "$1" 2>&1) || die "${said#mkdir: }: $(help_against "$said")"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "$1 has $free MiB free, $2 MiB are needed: free some space"
}
