# SPDX-License-Identifier: GPL-2.0-only
"""Build a module of your own beside the kernel of CONFIG=; the guest of `make shell` has it from then on."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from p2plib import ROOT
from p2plib.common import say
from p2plib.kernel import modules


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="its source, with a Kbuild or a Makefile")
    parser.add_argument("--check", action="store_true", help="only look whether there is one")
    args = parser.parse_args(argv)
    if args.check:
        modules.check_own(args.folder)
        return 0
    for module in modules.build_own(os.environ.get("CONFIG") or "lab", args.folder):
        say(f"module: {module.relative_to(ROOT)}: in the guest of 'make shell': insmod {module.name}")
    return 0
