# SPDX-License-Identifier: GPL-2.0-only
"""The host's side of the project: from a kernel's source to a verdict, and to a series that can be mailed.

Arrows are imports; nothing imports upwards.

    commands    one module for each command in scripts/: its arguments, its order of events, its words
       |
     bench      what an operation costs, ours beside stock
       |
      lab       QEMU: topologies, boots, programs, checks, verdicts
       |
    compose     the series on the stripped base, and back: build/tree      kernel     a kernel of build/tree: build/out
       |                                                                      |
     base       the kernel's source, and taking its own P2PDMA out            |
       |                                                                      |
    guard, common, advice: how a command ends, files that appear whole or not at all, what helps against an error
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"


class Fail(Exception):
    """What is wrong: what to do about it. In one line, which is all that a user gets to see."""
