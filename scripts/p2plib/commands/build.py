# SPDX-License-Identifier: GPL-2.0-only
"""Build one kernel: build/tree + configs/ -> build/out/CONFIG, its output in build/out/CONFIG.log."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from p2plib.kernel.build import CONFIGS, Build


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", metavar="CONFIG", help=", ".join(CONFIGS))
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="of the kernel's make, instead of the usual ones")
    parser.add_argument("--tree", type=Path, help="kernel source (build/tree)")
    parser.add_argument("--out", default="", help="name under build/out (CONFIG)")
    parser.add_argument("--make", action="append", default=[], metavar="VAR=VALUE")
    parser.add_argument("--lenient", action="store_true", help="the tree may lack symbols that the fragments name")
    args = parser.parse_intermixed_args(argv)
    Build(args.config, args.targets, args.tree, args.out, args.make, args.lenient).run()
    return 0
