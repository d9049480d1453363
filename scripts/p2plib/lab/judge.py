# SPDX-License-Identifier: GPL-2.0-only
"""Pass or fail of a finished run. A run passes only when everything says so; what is missing is a failure."""

import contextlib
import io
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2plib.lab import races
from p2plib.lab.vm import Vm

# In the console these are failures whatever the guest thinks of itself.
CONSOLE = re.compile(
    r"Kernel panic|\bOops\b|\bBUG: (?!KCSAN: )|WARNING: |general protection fault|kernel BUG at|"
    r"possible (?:circular|recursive|irq lock inversion) |inconsistent lock state|suspicious RCU usage|"
    r"INFO: task .* blocked|\b(?:rcu_\w+|rcu) .*stall|soft lockup|hard LOCKUP|"
    r"KASAN: |DMA-API: (?!preallocated|debugging enabled)|refcount_t: |Bad page state|page_table_check|"
    r"Internal error: |Unable to handle kernel |arm-smmu-v3 .*event 0x|"
    r"UBSAN: |ODEBUG: |(?:DMAR|AMD-Vi): .*(?:[Ff]ault|IO_PAGE_FAULT)|unreferenced object"
)


def parse_ktap(lines: Iterable[str], tree: Path) -> tuple[Any, str]:
    """(kernel's own Test object, its report). The parser is that of TREE's tools/testing/kunit."""
    folder = str(tree / "tools/testing/kunit")
    report = io.StringIO()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import kunit_parser  # type: ignore[import]

    printer = kunit_parser.stdout
    output, printer._output = printer._output, report
    try:
        with contextlib.redirect_stdout(report):
            return kunit_parser.parse_run_tests(lines), report.getvalue()
    finally:
        printer._output = output


def console_faults(text: str) -> list[str]:
    """Each line of the console that is a failure by itself, no more than fit on a screen."""
    found = [line.strip() for line in text.splitlines() if CONSOLE.search(line)]
    return [f"console: {line}" for line in found[:10]]


def race_faults(console: str, functions: races.Functions | None) -> tuple[list[str], list[str]]:
    """(races that are failures, those that are not ours), both as KCSAN's titles; FUNCTIONS say which, None is all."""
    ours: list[str] = []
    others: list[str] = []
    for race in races.find(console):
        (ours if functions is None or functions.own(race) else others).append(race.title)
    return [f"race: {title}" for title in dict.fromkeys(ours)][:10], others


@dataclass
class Verdict:
    reasons: list[str]  # why this is no pass
    counts: dict[str, int]  # of KTAP's cases, by status
    elsewhere: list[str]  # races elsewhere in the kernel, by title


def judge(
    vm: Vm, tree: Path, skip_ok: bool = False, taint: int = 0, functions: races.Functions | None = None
) -> Verdict:
    """TAINT is what the program does to the kernel, no more or less; FUNCTIONS say which are ours, if any are known."""
    console = vm.console()
    ours, elsewhere = race_faults(console, functions)
    reasons = [*vm.faults, *(["timeout: the guest did not finish in time and was killed"] if vm.timed_out else [])]
    reasons += console_faults(console) + ours + end_faults(vm.sentinel, skip_ok, taint)
    if vm.process and vm.process.returncode < 0 and not vm.timed_out and not vm.faults:
        reasons.insert(0, f"QEMU itself was ended by signal {-vm.process.returncode}: see qemu.log")
    reasons += [f"phase {phase.name} never ended" for phase in vm.phases if phase.end is None]

    test, report = parse_ktap(vm.lines, tree)
    (vm.folder / "ktap.report").write_text(report)
    counts = {name: getattr(test.counts, name) for name in ("passed", "failed", "crashed", "skipped", "errors")}
    for name in ("failed", "crashed", "errors"):
        if counts[name]:
            reasons.append(f"KTAP: {counts[name]} {name}: {failed_lines(vm.lines)}")
    reasons += plan_faults(vm.lines)
    if counts["skipped"] and not skip_ok:
        reasons.append(f"KTAP: {counts['skipped']} skipped, and nothing here may skip")
    if not counts["passed"] and not (skip_ok and counts["skipped"]):
        reasons.append("KTAP: no test passed")
    return Verdict(reasons, counts, elsewhere)


def plan_faults(lines: Iterable[str]) -> list[str]:
    """More results than the plan says: the parser does not look at what comes after it. It misses too few by itself."""
    text = "\n".join(lines)
    plans, results = re.findall(r"(?m)^1\.\.(\d+)$", text), re.findall(r"(?m)^(?:not )?ok \d+\b", text)
    if len(plans) != 1 or len(results) <= int(plans[0]):
        return []
    return [f"KTAP: {len(results)} results under a plan of {plans[0]}: correct the program's plan"]


def end_faults(sentinel: Mapping[str, int] | None, skip_ok: bool, taint: int) -> list[str]:
    """What the guest said last: how its program ended, and what has become of its kernel."""
    if sentinel is None:
        return ["no sentinel: the guest did not reach its end"]
    status = sentinel.get("status")
    wanted = {
        "exit status of the program": (status, 4 if skip_ok and status == 4 else 0),
        "kernel taint": (sentinel.get("tainted"), taint),
        "kmemleak reports": (sentinel.get("leaks"), 0),
    }
    return [f"{meaning}: {value}" for meaning, (value, want) in wanted.items() if value != want]


def failed_lines(lines: Iterable[str]) -> str:
    return "; ".join(line.strip() for line in lines if line.lstrip().startswith("not ok"))[:300] or "see ktap.report"
