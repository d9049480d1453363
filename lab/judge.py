# SPDX-License-Identifier: GPL-2.0-only
"""Pass or fail of a finished run. A run passes only when everything says so; what is missing is a failure."""

import contextlib
import io
import re
import sys

from lab import races

# In the console these are failures whatever the guest thinks of itself.
CONSOLE = re.compile(
    r"Kernel panic|\bOops\b|\bBUG: (?!KCSAN: )|WARNING: |general protection fault|kernel BUG at|"
    r"possible (?:circular|recursive|irq lock inversion) |inconsistent lock state|suspicious RCU usage|"
    r"INFO: task .* blocked|\b(?:rcu_\w+|rcu) .*stall|soft lockup|hard LOCKUP|"
    r"KASAN: |DMA-API: (?!preallocated|debugging enabled)|refcount_t: |Bad page state|page_table_check|UBSAN: |ODEBUG: |"
    r"(?:DMAR|AMD-Vi): .*(?:[Ff]ault|IO_PAGE_FAULT)|unreferenced object")


def parse_ktap(lines, tree):
    """(kernel's own Test object, its report). The parser is that of TREE's tools/testing/kunit."""
    folder = str(tree / "tools/testing/kunit")
    report = io.StringIO()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import kunit_parser
    printer = kunit_parser.stdout
    output, printer._output = printer._output, report
    try:
        with contextlib.redirect_stdout(report):
            return kunit_parser.parse_run_tests(lines), report.getvalue()
    finally:
        printer._output = output


def console_faults(text):
    """Each line of the console that is a failure by itself, no more than fit on a screen."""
    found = [line.strip() for line in text.splitlines() if CONSOLE.search(line)]
    return [f"console: {line}" for line in found[:10]]


def race_faults(console, functions):
    """(races that are failures, those that are not ours), both as KCSAN's titles; FUNCTIONS say which, None is all."""
    ours, others = [], []
    for race in races.find(console):
        (ours if functions is None or functions.own(race) else others).append(race.title)
    return [f"race: {title}" for title in dict.fromkeys(ours)][:10], others


def judge(vm, tree, skip_ok=False, taint=0, functions=None):
    """(reasons why this is no pass, counts by status, races elsewhere in the kernel by title).

    TAINT is what the program does to the kernel, no more or less; FUNCTIONS are races.Functions, if any are known.
    """
    reasons = list(vm.faults)
    if vm.timed_out:
        reasons.append("timeout: the guest did not finish in time and was killed")
    console = (vm.folder / "console.log").read_text(errors="replace")
    reasons += console_faults(console)
    ours, elsewhere = race_faults(console, functions)
    reasons += ours

    if vm.sentinel is None:
        reasons.append("no sentinel: the guest did not reach its end")
    else:
        skipped = skip_ok and vm.sentinel.get("status") == 4
        for name, meaning in (("status", "exit status of the program"), ("tainted", "kernel taint"),
                              ("leaks", "kmemleak reports")):
            value = vm.sentinel.get(name)
            if value != (taint if name == "tainted" else 0) and not (name == "status" and skipped):
                reasons.append(f"{meaning}: {value}")
    for phase in vm.phases:
        if phase.end is None:
            reasons.append(f"phase {phase.name} never ended")

    test, report = parse_ktap(vm.lines, tree)
    (vm.folder / "ktap.report").write_text(report)
    counts = {name: getattr(test.counts, name) for name in ("passed", "failed", "crashed", "skipped", "errors")}
    for name in ("failed", "crashed", "errors"):
        if counts[name]:
            reasons.append(f"KTAP: {counts[name]} {name}: {failed_lines(vm.lines)}")
    if counts["skipped"] and not skip_ok:
        reasons.append(f"KTAP: {counts['skipped']} skipped, and nothing here may skip")
    if not counts["passed"] and not (skip_ok and test.counts.skipped):
        reasons.append("KTAP: no test passed")
    return reasons, counts, elsewhere


def failed_lines(lines):
    return "; ".join(line.strip() for line in lines if line.lstrip().startswith("not ok"))[:300] or "see ktap.report"
