# SPDX-License-Identifier: GPL-2.0-only
"""Take the base's own P2PDMA out of a kernel's source, in place, by the rules of scripts/p2plib/base/rules.py."""

import argparse
from collections.abc import Sequence

from p2plib.base import strip


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", metavar="TREE", help="a folder with the whole source of a 6.12.y")
    strip.strip_tree(parser.parse_args(argv).tree)
    return 0
