# SPDX-License-Identifier: GPL-2.0-only
"""The warnings of a kernel's objects, whichever build it was that compiled them.

The log of a build tells of what that build compiled only. A warning holds until its file changes
or its object is compiled again.
"""

import json
import re
from pathlib import Path
from typing import Any

from p2plib.common import write_file

COMPILED = re.compile(r"  (?:CC|AS|LD|AR|GEN|MODPOST)\b(?: \[M\])? +(\S+)$")
WARNING = re.compile(r"\bwarning:", re.I)


class Warned:
    """The file OUT.warnings beside a build folder."""

    def __init__(self, out: Path, tree: Path) -> None:
        self.file, self.out, self.tree = out.with_name(out.name + ".warnings"), out, tree

    def load(self) -> dict[str, list[Any]]:
        """{subject: [stamp, [lines]]}; the subject is a source file or an object without suffix."""
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def subject(self, line: str) -> str:
        """What a warning is about, as a path in the tree or in OUT: 'mm/gup.c', 'vmlinux.o'."""
        found = re.match(r"(?:\S*?: )?([^\s:]+\.[a-zA-Z]\w*)[:(]", line)
        path = found[1] if found else ""
        outside = path.startswith(("/", ".."))
        return path.partition(f"/{self.tree.name}/")[2] if outside else path

    def stamp(self, subject: str) -> int:
        for folder in (self.tree, self.out):
            if (folder / subject).is_file():
                return (folder / subject).stat().st_mtime_ns
        return 0

    def take(self, log: Path) -> None:
        """Bring the record up to date with the log of the build that has just ended."""
        if not log.exists():
            return
        known = {subject: entry for subject, entry in self.load().items() if self.stamp(subject) == entry[0]}
        lines = log.read_text(errors="replace").splitlines()
        done = {stem(match[1]) for line in lines if (match := COMPILED.match(line))}
        known = {subject: entry for subject, entry in known.items() if stem(subject) not in done}
        for line in lines:
            if WARNING.search(line) and (subject := self.subject(line)):
                entry = known.setdefault(subject, [self.stamp(subject), []])
                if line not in entry[1]:
                    entry[1].append(line)
        write_file(self.file, json.dumps(known, indent=1))


def stem(path: str) -> str:
    return re.sub(r"\.[a-zA-Z]\w*$", "", path)
