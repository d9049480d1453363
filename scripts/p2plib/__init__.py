# SPDX-License-Identifier: GPL-2.0-only
"""What base/, scripts/ and the tests share: the kernel source, the git repo, the series."""
