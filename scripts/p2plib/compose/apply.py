# SPDX-License-Identifier: GPL-2.0-only
"""Trying strip and series on another 6.12.y, without unpacking all of it."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from collections.abc import Iterable
from pathlib import Path

from p2plib import Fail
from p2plib.common import fresh_folder
from p2plib.compose.imported import Changed, StrippedBase
from p2plib.compose.series import Series
from p2plib.base.source import Source


@dataclass
class Outcome:
    """One row of the table."""

    label: str
    strip: str = "-"
    trace: str = "-"
    patches: str = "-"
    note: str = ""

    @property
    def ok(self) -> bool:
        return not self.note

    def row(self) -> tuple[str, ...]:
        return (self.label, self.strip, self.patches, self.trace, "ok" if self.ok else "FAILED")


def try_version(source: Source, series: Series, build: Path, label: str | None = None) -> Outcome:
    """Strip a source and apply the series to it, fuzz 0."""
    outcome = Outcome(label or source.label)
    touched = {path for entry in series.entries for path in entry.patch.paths()}
    base, present = StrippedBase(source, keep=touched), set()
    for path, _, _ in base.each():
        present.add(path)
    try:
        changed = base.finish(check=False)
    except Fail as error:
        outcome.strip, outcome.note = "FAILED", str(error)
        return outcome
    outcome.strip = "ok"
    try:
        base.check_traces(changed)
        outcome.trace = "ok"
    except Fail as error:
        outcome.trace, outcome.note = "FAILED", str(error)
    work = fresh_folder(build / "check-apply")
    laid: Changed = {**base.files, **changed}
    for path, data in laid.items():
        if data is not None:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(data)
    taken = [path for path in series.overlay if path in present and changed.get(path, b"") is not None]
    if taken:
        outcome.note = outcome.note or f"{taken[0]} is a file of this base"
    apply_all(series, work, outcome)
    shutil.rmtree(work)
    return outcome


def apply_all(series: Series, work: Path, outcome: Outcome) -> None:
    """Apply patch after patch until one fails."""
    # Without this, git would find the project's own repository and skip what lies below build/.
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(work.parent), LC_ALL="C")
    done = 0
    for entry in series.entries:
        if entry.patch.diff:
            result = subprocess.run(
                ["git", "apply", "--whitespace=nowarn"],
                cwd=work,
                env=env,
                input=entry.patch.diff,
                capture_output=True,
                check=False,
            )
            if result.returncode:
                words = result.stderr.decode("utf-8", "replace").splitlines() or ["no message"]
                outcome.note = outcome.note or f"{entry.name}: {words[0]}"
                break
        done += 1
    outcome.patches = f"{done}/{len(series.entries)}"


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """The outcomes as lines of text."""
    rows = [("version", "strip", "patches", "no trace", "result")] + [o.row() for o in outcomes]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return lines + [f"{o.label}: {o.note}" for o in outcomes if o.note]
