# SPDX-License-Identifier: GPL-2.0-only
"""Compose build/tree: stripped base + overlay + patches, as a git branch. FORCE=1 throws edits in it away."""

import argparse
from collections.abc import Sequence

from p2plib import Fail
from p2plib.common import locked, say
from p2plib.compose.tree import NOT_CLEAN, Tree


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--stock", action="store_true", help="lay the untouched base at build/stock/linux as well")
    either.add_argument(
        "--check", action="store_true", help="fail unless build/tree is what the repository says, without edits"
    )
    args = parser.parse_args(argv)
    tree = Tree()
    with locked(tree.build):
        changed = tree.update()
        if args.check and (why := tree.why_not_clean()):
            raise Fail(NOT_CLEAN % why)
        if args.stock:
            say(f"tree: stock base in {tree.lay_stock()}")
        if changed or not (args.check or args.stock):
            say(tree.summary() + ("" if changed else " (nothing to do)"))
    return 0
