# SPDX-License-Identifier: GPL-2.0-only
"""The lab: boots a kernel in QEMU on a named topology, runs one program, judges the run from outside."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class LabError(Exception):
    """What is wrong and what to do about it, in one line."""
