# SPDX-License-Identifier: GPL-2.0-only
"""Put the faults of tests/mutants/ into our files and what the patches change, one at a time: which ones are noticed?

tests/mutants/PATH.toml has those of the file PATH: OLD, which stands there exactly once, becomes NEW. The suites notice
each of them, or a run of the lab that `run` names, or `survives` says why nothing can.

T= or arguments choose those whose file or description contains a word. The table is kept in build/mutants/table.
"""

import argparse
import functools
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2plib import BUILD, ROOT, Fail
from p2plib.lab import checks, programs, runner, topology
from p2plib.lab.programs import Program
from p2plib.schema import complaint

DATA = ROOT / "tests" / "mutants"
TREE = BUILD / "tree"
# Beside each other as the usual ones are, so that ccache knows what it finds there.
SCRATCH = BUILD / "mutants" / "tree"
OUT = BUILD / "mutants" / "out" / "lab"
WHERE = "same-switch"
# All suites; what one of its own does not notice in a file may be noticed by another's.
ALL = "kunit"
PATIENCE = 3  # in times of a program's own timeout


@dataclass(frozen=True)
class Mutant:
    """One fault: OLD, which stands in FILE once, becomes NEW."""

    file: str
    fault: str
    old: str
    new: str
    run: tuple[str, ...] = ()  # programs of the lab that see it, where the suites cannot
    survives: str = ""  # why nothing can see it
    suites: tuple[str, ...] = ()  # of its file

    def runs(self) -> list[str]:
        """What to run, the quickest first: the file's own suites, programs of the lab, all suites."""
        return [*self.suites, *self.run, ALL]

    def apply(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise self.at_fault(
                f"its text is there {text.count(self.old)} times, it must be once: correct `old`:\n{self.old}"
            )
        return text.replace(self.old, self.new)

    def at_fault(self, what: str) -> Fail:
        return Fail(f"tests/mutants/{self.file}.toml: {self.fault}: {what}")


def load() -> list[Mutant]:
    """All of them, each checked against the source as it is."""
    mutants = read()
    check(mutants)
    return mutants


def read() -> list[Mutant]:
    mutants = []
    for path in sorted(DATA.rglob("*.toml")):
        mutants += of_file(str(path.relative_to(DATA).with_suffix("")), tomllib.loads(path.read_text()))
    return mutants


def check(mutants: list[Mutant]) -> None:
    """Against the sources, those of the base among them, which takes the tree."""
    for mutant in mutants:
        text = source(mutant)
        if mutant.apply(text) == text:
            raise mutant.at_fault("changes nothing")
        for name in mutant.run:
            where, _, what = name.partition(".")
            if (where, what) not in programs.matrix():
                raise mutant.at_fault(f"{name} is no run of scripts/run --list")


def of_file(file: str, data: dict[str, Any]) -> list[Mutant]:
    """Those of a source. Its suites are those that its TOML names, else the one of its name, if there is one."""
    suites = data.get("suites", [])
    if unknown := set(suites) - set(checks.suites()):
        raise Fail(f"tests/mutants/{file}.toml: suites: no {', '.join(sorted(unknown))} in drivers/pci/p2pdma/tests")
    own = suites or [name for name in (f"p2pdma_{Path(file).stem}",) if name in checks.suites()]
    mutants = []
    for entry in data["mutant"]:
        if what := complaint(entry, Mutant, "file", "suites"):
            raise Fail(f"tests/mutants/{file}.toml: {entry.get('fault')}: {what}")
        keys: dict[str, Any] = {**entry, "run": tuple(entry.get("run", ())), "suites": tuple(own)}
        mutants.append(Mutant(file, **keys))
    return mutants


def source(mutant: Mutant) -> str:
    """The text of its file: ours, or one of the base that a patch of ours changes, with the fault in our part."""
    if (ROOT / mutant.file).is_file():
        return (ROOT / mutant.file).read_text()
    added = patched().get(mutant.file)
    if added is None:
        raise mutant.at_fault("it is neither a file of ours nor changed by a patch")
    if not any(line.strip() in new for line in mutant.old.splitlines() if line.strip() for new in added):
        raise mutant.at_fault("no line of `old` is one that a patch adds")
    path = TREE / mutant.file
    if not path.is_file():
        raise mutant.at_fault("no such file in build/tree: run 'make tree'")
    return path.read_text()


@functools.cache
def patched() -> dict[str, set[str]]:
    """{file of the base: lines that our patches add to it}"""
    found: dict[str, set[str]] = {}
    lines: set[str] = set()
    for patch in sorted((ROOT / "patches").glob("*.patch")):
        for line in patch.read_text().splitlines():
            if line.startswith("+++ b/"):
                lines = found.setdefault(line[6:], set())
            elif line.startswith("+") and not line.startswith("+++"):
                lines.add(line[1:].strip())
    return found


# Lines of C that say nothing which could be wrong and build: there is no mutant of a hunk that has no others.
QUIET = re.compile(
    r"""
    /?\*.* | //.* | \#.* | [{}]*;? | \w+: | (\}\s)?else(\s\{)?    # comments, directives, braces, labels
  | [a-z][\w\s\*]*[\w\]\*](\s=\s(false|NULL|-?\w+))?(,\s\w+(\s=\s-?\w+)?)*;(\s*(/\*.*|\\))?    # variables, members
  | struct\s\w+\s\{ | static\sinline\s\w+ | \w+\(struct\s[^)]*\)
  | (static\s(inline\s)?)?(bool|int|void|u16|struct\s\w+\s\*)\s?\w+\(.*[;,)]    # heads of functions
  | (bool|void|struct\s\w+\s\*)\s?\(\*\w+\)\(.*;    # members that are functions
  | (unsigned\sint|const\schar|struct\s\w+|u32|u64|size_t|dma_addr_t|phys_addr_t|enum\s\w+|sector_t)\s[^=()]*\)?[,);]
  | [A-Z][A-Z0-9_a-z]*(\s=\s[^,]*)?,(\s*/\*.*)?    # enumerators
  | defined\(.* | return\s(false|0|NULL);
  | .*_ratelimited\(.* | ".*
  | mutex_(init|unlock)\(.*
    """,
    re.VERBOSE,
)


def hunks() -> Iterable[tuple[str, range, list[str]]]:
    """(file, lines, those added that could be wrong) of each hunk of the series in a file of the base."""
    diff = ["git", "-C", str(TREE), "diff", "--diff-filter=M", "-U3", "base..HEAD", "--", "*.c", "*.h"]
    text = subprocess.run(diff, capture_output=True, text=True, check=True).stdout
    for of_file in re.split(r"^diff --git ", text, flags=re.M)[1:]:
        path = found(r"^\+\+\+ b/(.*)$", of_file)[1]
        for hunk in re.split(r"^(?=@@ )", of_file, flags=re.M)[1:]:
            where = found(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", hunk)
            added = [line[1:].strip() for line in hunk.splitlines()[1:] if line.startswith("+")]
            first, count = int(where[1]), int(where[2] or 1)
            yield path, range(first, first + count), [line for line in added if not QUIET.fullmatch(line)]


def found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text, re.M)
    assert match, (pattern, text)
    return match


def bare(mutants: Sequence[Mutant]) -> list[str]:
    """Hunks that no mutant is in: FILE:LINE and what could be wrong there."""
    texts = {m.file: source(m) for m in mutants}
    spans: dict[str, list[tuple[int, int]]] = {}
    for mutant in mutants:
        first = texts[mutant.file].count("\n", 0, texts[mutant.file].index(mutant.old)) + 1
        spans.setdefault(mutant.file, []).append((first, first + mutant.old.count("\n")))
    return [
        f"{path}:{lines.start}: {loud[0]}"
        for path, lines, loud in hunks()
        if loud and not any(first < lines.stop and last >= lines.start for first, last in spans.get(path, []))
    ]


def chosen(mutants: Sequence[Mutant], words: Sequence[str]) -> list[Mutant]:
    return [m for m in mutants if not words or any(w in m.file or w in m.fault for w in words)]


# --- the scratch tree: links, but for what is changed ---


def make_scratch(files: Iterable[str]) -> None:
    """Links to all files of the tree; the build does not write among its sources."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["cp", "-as", TREE, SCRATCH], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fail(f"mutants: {done.stderr.strip().splitlines()[-1]}: free some space")
    shutil.rmtree(SCRATCH / ".git")
    for name in files:
        replace(name, (TREE / name).read_text())


def replace(name: str, text: str) -> None:
    path = SCRATCH / name
    path.unlink()
    path.write_text(text)


def build() -> str | None:
    """None, or why there is no kernel."""
    done = subprocess.run(
        [ROOT / "scripts/build", "lab", "--tree", SCRATCH, "--out", str(OUT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip() or "scripts/build failed"
    return None


def lab_modules(mutants: Iterable[Mutant]) -> None:
    """Where a run needs modules of lab/modules: those that the lab's kernel has; they fit."""
    if any(programs.get(name.partition(".")[2]).modules for m in mutants for name in m.run):
        if subprocess.run([ROOT / "scripts/lab-modules", "lab"], check=False).returncode:
            raise Fail("mutants: no modules of lab/modules: see above")
        link = BUILD / "modules" / "mutants"
        link.unlink(missing_ok=True)
        link.symlink_to("lab")


def what_to_run(name: str) -> tuple[str, Program]:
    """(topology, program) of a run of the lab, of all suites, or of a suite alone."""
    where, _, what = name.partition(".")
    if what:
        return where, programs.get(what)
    if name == ALL:
        return WHERE, programs.KUNIT
    return WHERE, programs.suite_alone(name)


def noticed(names: Iterable[str]) -> str | None:
    """The first run that fails, with its reason; None if all pass."""
    for name in names:
        where, program = what_to_run(name)
        run = runner.Run(
            topology.load(where),
            program,
            config="mutants",
            kernel=OUT / "arch/x86/boot/bzImage",
            tree=TREE,
            # A busy machine must not look like a fault that was noticed.
            timeout=PATIENCE * program.timeout,
        ).go()
        if not run.passed:
            return f"{name}: {run.reasons[0]}"
    return None


def trial(mutant: Mutant) -> tuple[str, str]:
    """(verdict, detail) of one mutant, the scratch tree as before afterwards."""
    original = (TREE / mutant.file).read_text()
    replace(mutant.file, mutant.apply(original))
    try:
        error = build()
        if error:
            return "no build", error.splitlines()[0].strip()
        reason = noticed(mutant.runs())
    finally:
        replace(mutant.file, original)
    if reason:
        return "caught", reason
    return "survived", mutant.survives or "NOT EXPLAINED"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "words", metavar="WORD", nargs="*", help="only faults with one of these in their file or description"
    )
    words = parser.parse_args(argv).words or os.environ.get("T", "").split()
    everything = read()
    mutants = chosen(everything, words)
    if not mutants:
        raise Fail(f"mutants: none has {' or '.join(words)} in its file or description: see tests/mutants/")
    check(everything)
    # Copies of all of them are new: whatever fault an earlier run left in an object goes.
    make_scratch({m.file for m in everything})
    OUT.mkdir(parents=True, exist_ok=True)
    if error := build():
        raise Fail(f"mutants: the kernel without a fault does not build:\n{error}")
    lab_modules(mutants)
    if reason := noticed(sorted({name for m in mutants for name in m.runs()})):
        raise Fail(f"mutants: without a fault: {reason}: correct that first")

    start, rows, bad = time.monotonic(), [], 0
    for number, mutant in enumerate(mutants, 1):
        verdict, detail = trial(mutant)
        # An explanation of what is caught all the same is out of date.
        wrong = verdict == "no build" or (verdict == "survived") != bool(mutant.survives)
        bad += wrong
        rows.append(
            f"{verdict:9}{'!' if wrong else ' '} {Path(mutant.file).name:16} {mutant.fault}\n" f"{'':28}{detail[:200]}"
        )
        print(f"[{number}/{len(mutants)}, {(time.monotonic() - start) / 60:.0f} min] {rows[-1]}", flush=True)
    count = {v: sum(row.startswith(v) for row in rows) for v in ("caught", "survived", "no build")}
    summary = f"{count['caught']} of {len(mutants)} caught, {count['survived']} survived, {bad} not as the list says"
    (SCRATCH.parent / "table").write_text("\n".join([*rows, summary]) + "\n")
    print(summary)
    return 1 if bad else 0
