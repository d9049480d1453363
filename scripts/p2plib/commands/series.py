# SPDX-License-Identifier: GPL-2.0-only
"""Write the mailable series to build/series, with the git identity of who runs it.

NET=1: the net difference to stock as well, to build/series-net. FIXES=1: the fixes of stock as well, to
build/series-fixes.
"""

import argparse
import os
from collections.abc import Sequence

from p2plib import Fail
from p2plib.common import locked, say
from p2plib.compose.export import Export, exported
from p2plib.compose.tree import Tree


def check_builds(tree: Tree, export: Export, config: str) -> None:
    """Takes an hour, and nobody else uses its folders: it has a lock of its own."""
    with locked(tree.build, ".series.lock"):
        failed = export.check_builds(config)
    if failed:
        raise Fail(f"series: {failed} of {len(export.commits)} commits do not build: see above")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check-builds", metavar="CONFIG", help="build every commit of it, and write nothing")
    config = parser.parse_args(argv).check_builds
    tree = Tree()
    with locked(tree.build):
        export = exported(tree)
        if not config:
            say(f"series: {len(export.commits)} patches in {export.series()}")
            if os.environ.get("NET"):
                say(f"series: net difference in {export.net()}")
            if os.environ.get("FIXES"):
                say(f"series: fixes of stock in {export.fixes()}")
    if config:
        check_builds(tree, export, config)
    return 0
