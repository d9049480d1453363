# SPDX-License-Identifier: GPL-2.0-only
"""Data races that KCSAN reports: which of them are ours.

Ours is a race with a function of our files in either stack, whoever it called, or one right in a function of the base
that our patches change. The base kernel has some of its own, which are counted and shown, and no more.
"""

import functools
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from p2plib import ROOT, Fail

HEAD = re.compile(r"BUG: KCSAN: (.+)$")
RULE = re.compile(r"={60,}$")
ACCESS = re.compile(
    r"(?:race at unknown origin, with )?(?:read|write|assert)\b.* to 0x[0-9a-f]+ of \d+ bytes by .* on cpu \d+:$"
)
FRAME = re.compile(r" ([\w.]+)\+0x[0-9a-f]+/0x([0-9a-f]+)$")
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
# What is below was interrupted, and has nothing to do with it.
INTERRUPT = re.compile(r"asm_(?:sysvec_\w+|common_interrupt|exc_nmi)$")
# A function may be followed by this much until the next one begins.
PADDING = 32


@dataclass
class Race:
    title: str
    lines: list[str] = field(default_factory=list)  # as the console had them
    stacks: list[list[tuple[str, int]]] = field(default_factory=list)  # [[(function, its length)]], innermost first
    complete: bool = False


def find(console: str) -> list[Race]:
    """The reports in the text of a console, where lines of others may stand between theirs."""
    races: list[Race] = []
    for raw in console.splitlines():
        line = STAMP.sub("", raw.rstrip("\r"))
        race = races[-1] if races and not races[-1].complete else None
        if head := HEAD.match(line):
            races.append(Race(head[1], [line]))
        elif race:
            race.lines.append(line)
            if RULE.match(line):
                race.complete = bool(race.stacks) and all(race.stacks)
            elif ACCESS.match(line):
                race.stacks.append([])
            elif race.stacks and (frame := FRAME.match(line)):
                race.stacks[-1].append((frame[1], int(frame[2], 16)))
    return races


def objects(out: Path) -> list[Path]:
    """What our files became in the kernel that was built in the folder OUT."""
    files = re.findall(r"^\t(\S+)\.c$", (ROOT / "patches/series").read_text(), re.M)
    found = [path for name in files if (path := out / f"{name}.o").exists()]
    if not found:
        raise Fail(f"{out} has no objects of ours: run 'make build CONFIG={out.name}'")
    return found


class Functions:
    """Which functions are ours in the kernel that was built in the folder OUT."""

    def __init__(self, out: Path) -> None:
        nm = subprocess.run(["nm", "-S", "--defined-only", *objects(out)], capture_output=True, text=True, check=True)
        self.lengths: dict[str, set[int]] = {}
        for length, name in re.findall(r"^[0-9a-f]+ ([0-9a-f]+) [tTwW] (\S+)$", nm.stdout, re.M):
            self.lengths.setdefault(name, set()).add(int(length, 16))
        self.changed = changed()

    def has(self, name: str, length: int) -> bool:
        """Others may have a function of this name, but hardly as long a one."""
        return any(0 <= length - known < PADDING for known in self.lengths.get(name, ()))

    def own(self, race: Race) -> bool:
        if not race.complete:
            return True  # for all that one can see
        for stack in race.stacks:
            ends = [at for at, (name, _) in enumerate(stack) if INTERRUPT.match(name)]
            if stack[0][0].split(".")[0] in self.changed or any(
                self.has(*frame) for frame in stack[: min(ends, default=None)]
            ):
                return True
        return False


@functools.cache
def changed() -> set[str]:
    """The functions of the base that patches change, and may be their neighbours."""
    names = set()
    for patch in sorted((ROOT / "patches").glob("*.patch")):
        for heading, line in re.findall(r"^@@ [^@\n]*@@ (.*)$|^[ +](\w[^=;\n]*\(.*)$", patch.read_text(), re.M):
            if found := re.match(r"\w[\w\s*]*?\b(\w+)\(", heading or line):
                names.add(found[1])
    return names
