# SPDX-License-Identifier: GPL-2.0-only
"""Trying strip and series on another 6.12.y, without unpacking all of it."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from .base import StrippedBase
from .common import fresh_folder

import strip                                    # on the path since .common


@dataclass
class Outcome:
    """One row of the table."""
    label: str
    strip: str = '-'
    trace: str = '-'
    patches: str = '-'
    note: str = ''

    @property
    def ok(self):
        return not self.note

    def row(self):
        return (self.label, self.strip, self.patches, self.trace, 'ok' if self.ok else 'FAILED')


def try_version(source, series, build, label=None):
    """Strip a source and apply the series to it, fuzz 0."""
    outcome = Outcome(label or source.label)
    touched = {path for entry in series.entries for path in entry.patch.paths()}
    base, present = StrippedBase(source, keep=touched), set()
    for path, _, _ in base.each():
        present.add(path)
    try:
        changed = base.finish(check=False)
    except strip.StripError as error:
        outcome.strip, outcome.note = 'FAILED', str(error)
        return outcome
    outcome.strip = 'ok'
    try:
        base.check_traces(changed)
        outcome.trace = 'ok'
    except strip.StripError as error:
        outcome.trace, outcome.note = 'FAILED', str(error)
    work = fresh_folder(build / 'check-apply')
    for path, data in {**base.files, **changed}.items():
        if data is not None:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(data)
    taken = [path for path in series.overlay
             if path in present and changed.get(path, b'') is not None]
    if taken:
        outcome.note = outcome.note or '%s is a file of this base' % taken[0]
    apply_all(series, work, outcome)
    shutil.rmtree(work)
    return outcome


def apply_all(series, work, outcome):
    """Apply patch after patch until one fails."""
    # Without this, git would find the project's own repository and skip what lies below build/.
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(work.parent), LC_ALL='C')
    done = 0
    for entry in series.entries:
        if entry.patch.diff:
            result = subprocess.run(['git', 'apply', '--whitespace=nowarn'], cwd=work, env=env,
                                    input=entry.patch.diff, capture_output=True, check=False)
            if result.returncode:
                words = result.stderr.decode('utf-8', 'replace').splitlines() or ['no message']
                outcome.note = outcome.note or '%s: %s' % (entry.name, words[0])
                break
        done += 1
    outcome.patches = '%d/%d' % (done, len(series.entries))


def table(outcomes):
    """The outcomes as lines of text."""
    rows = [('version', 'strip', 'patches', 'no trace', 'result')] + [o.row() for o in outcomes]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    return lines + ['%s: %s' % (o.label, o.note) for o in outcomes if o.note]
