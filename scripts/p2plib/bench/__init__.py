# SPDX-License-Identifier: GPL-2.0-only
"""This implementation beside the one of the stock kernel: the machines, the runs, the tables."""

from p2plib import BUILD

OUT = BUILD / "bench"
