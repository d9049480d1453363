#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# with-drives.sh PROVIDER FROM TO PROGRAM ARGUMENT...: tells a C program by environment where the
# drives with these serial numbers are.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

P2P_PROVIDER=$(drive_bdf "$1") && P2P_FROM=$(drive_node "$2") && P2P_TO=$(drive_node "$3") || exit 1
export P2P_PROVIDER P2P_FROM P2P_TO
shift 3
exec "$@"
