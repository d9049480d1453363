# SPDX-License-Identifier: GPL-2.0-only
"""This implementation beside the one of the stock kernel: the machines, the runs, the tables."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"


class BenchError(Exception):
    """What is wrong: what to do."""
