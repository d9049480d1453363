# SPDX-License-Identifier: GPL-2.0-only
"""Bring what was edited or committed in build/tree back to the overlay and the patches.

INTO=NNNN-name.patch names the commit that new files, and edits of base files which no patch touches, belong to.
"""

import argparse
import os
from collections.abc import Sequence

from p2plib.common import locked, say
from p2plib.compose.refresh import Refresh
from p2plib.compose.tree import Tree


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    tree = Tree()
    with locked(tree.build):
        count = Refresh(tree, os.environ.get("INTO")).run()
    if count is None:
        say("refresh: nothing to bring back")
    else:
        say(f"refresh: the repository has it, {count} commits")
    return 0
