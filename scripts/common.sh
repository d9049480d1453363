# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the shell scripts beside it.

# shellcheck disable=SC2034 # for those that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf 'p2p: %s\n' "$*"; }

# die WHAT IS WRONG: WHAT TO DO
die() { printf 'p2p: %s\n' "$*" >&2; exit 1; }

# need_space DIR MIB: refuse to start what cannot finish
need_space() {
	local free

	mkdir -p "$1" || die "cannot write to $1: free some space or change its permissions"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "$1 has $free MiB free, $2 MiB are needed: free some space"
}
