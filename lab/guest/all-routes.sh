#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# all-routes.sh SERIAL...: routes.sh of the selftests, for the first two of them; who knows the topology is told where
# all of them are, and compares.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

announce "$@" || exit 1
exec routes.sh "$(drive_bdf "$1")" "$(drive_bdf "$2")"
