# SPDX-License-Identifier: GPL-2.0-only
"""Strip the 6.12.y that the archive offers, and KERNEL_SRC=, apply the series to each, print a table.

Those are left out that are older than what BASE says was tried."""

import argparse
import functools
import os
from collections.abc import Callable, Iterator, Sequence

from p2plib import BUILD, ROOT, Fail
from p2plib.base import fetch
from p2plib.base.source import Source
from p2plib.common import locked, say
from p2plib.compose.apply import Outcome, table, try_version
from p2plib.compose.series import Series


def sources(base: fetch.Base, versions: Sequence[str]) -> Iterator[tuple[str, Callable[[], Source]]]:
    """(label, function that gives the Source) of everything to try."""
    for version in versions or expected(base, fetch.offered(base)):
        yield version, functools.partial(archived, base, version)
    if path := os.environ.get("KERNEL_SRC"):
        yield "KERNEL_SRC", functools.partial(Source, path)


def expected(base: fetch.Base, offered: Sequence[str]) -> Sequence[str]:
    """Without those older than the last one that was tried: both lists are newest first."""
    known = [number for number, version in enumerate(offered) if version in base.verified]
    older = offered[known[-1] + 1 :] if known else []
    if older:
        say(f"check-apply: not tried, as BASE has nothing as old: {', '.join(older)}")
    return offered[: len(offered) - len(older)]


def archived(base: fetch.Base, version: str) -> Source:
    return Source(fetch.archived(base, version, BUILD), version)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", metavar="VERSION", nargs="*", help="these package versions instead of all")
    versions = parser.parse_args(argv).versions
    base, series = fetch.Base.read(), Series(ROOT)
    outcomes = []
    with locked(BUILD):
        for label, source in sources(base, versions):
            say(f"check-apply: {label}")
            try:
                outcomes.append(try_version(source(), series, BUILD, label))
            except Fail as error:
                outcomes.append(Outcome(label, note=str(error)))
    print("\n".join(table(outcomes)))
    if bad := sum(not outcome.ok for outcome in outcomes):
        raise Fail(
            f"check-apply: {bad} of {len(outcomes)} versions failed: correct p2plib/base/rules.py or the patches"
        )
    return 0
