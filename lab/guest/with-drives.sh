#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-drives.sh PROVIDER FROM TO PROGRAM ARGUMENT...: a selftest, told by environment where what has these serial
# numbers is. All of it may be overwritten and reset.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

P2P_PROVIDER=$(drive_bdf "$1") && P2P_FROM=$(drive_node "$2") && P2P_OVERWRITE=$(drive_node "$3") || exit 1
export P2P_PROVIDER P2P_FROM P2P_OVERWRITE P2P_RESET="$P2P_PROVIDER" P2P_SWAP=/dev/ram0
shift 3
exec "$@"
