# SPDX-License-Identifier: GPL-2.0-only
"""Build the lab's kernel modules beside the kernel build/out/CONFIG, which is left as it is: build/modules/CONFIG."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from p2plib.kernel import modules


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", metavar="CONFIG", nargs="?", default="lab", help="default: lab")
    parser.add_argument("--lay", metavar="FOLDER", type=Path, help="only put the sources there")
    args = parser.parse_args(argv)
    if args.lay:
        modules.lay_out(args.lay)
    else:
        modules.build(args.config)
    return 0
