# SPDX-License-Identifier: GPL-2.0-only
"""Get the kernel's source, check it, say where it is: the package of BASE (installed if need be), or KERNEL_SRC=."""

import argparse
from collections.abc import Sequence

from p2plib import BUILD
from p2plib.base import fetch
from p2plib.base.source import Source
from p2plib.common import locked, need_space
from p2plib.compose.tree import TREE_MIB


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", metavar="V", help="another version of the archive, to build/download")
    version = parser.parse_args(argv).version
    base = fetch.Base.read()
    with locked(BUILD):
        if version:
            source = Source(fetch.archived(base, version, BUILD), version)
        else:
            need_space(BUILD, TREE_MIB)
            source = fetch.source(base, BUILD)
    found = source.check(base.series)
    for _ in source.entries():  # to the end: that is what shows a tarball that was cut off
        pass
    print(f"{found}\t{source.label}\t{source.path}")
    return 0
