# SPDX-License-Identifier: GPL-2.0-only
"""The table, the JSON, and the comparison with what was accepted last."""

import json
import re
from dataclasses import asdict, dataclass
from collections.abc import Mapping
from typing import Any

from p2plib import ROOT, Fail
from p2plib.bench import machines
from p2plib.bench.measure import Figure, Results

BASELINE = ROOT / "bench" / "BASELINE.json"
WORSE = 1.03  # an exact count that is more than this times the old one
TARGETS = {"alloc": 200, "free": 107}
LICENSE = "SPDX-License-Identifier: GPL-2.0-only"


@dataclass(frozen=True)
class Row:
    """One line of the table. What the clock costs is in the figures of mappings, as in those that are published."""

    label: str
    machine: str
    operation: str
    how: str  # "median", "gross": one operation without and with the clock; "per": of a list; "MiB", ...
    target: float | None = None

    def value(self, figure: Figure) -> float:
        if self.how == "median":
            return figure.median - figure.clock
        if self.how == "gross":
            return figure.mean
        if self.how == "per":
            return figure.mean / figure.per
        if self.how == "per-median":
            return (figure.median - figure.clock) / figure.per
        if self.how == "least":
            return (figure.min - figure.clock) / figure.per
        if self.how == "million":
            return figure.mean / 1e6
        if self.how == "MiB":
            return figure.memory / (1 << 20)
        return figure.median / figure.per  # "ratio"

    def spread(self, figure: Figure) -> str:
        """What to show beside the value: the worst of the samples, or from where to where a ratio went."""
        if self.how == "ratio":
            return f"{figure.min / figure.per:.2f}-{figure.max / figure.per:.2f}"
        return f"{figure.max - figure.clock:,}" if worst_is_exact(self.operation) else ""

    @property
    def places(self) -> int:
        return {"per": 1, "million": 1, "MiB": 1, "ratio": 2}.get(self.how, 0)


def table_rows() -> list[Row]:
    rows = [
        Row("register 8 GiB, in millions", "switch", "register", "million"),
        Row("RAM that it takes, MiB", "switch", "register", "MiB"),
    ]
    for size in machines.REGISTER_MIB:
        name = f"{size} MiB" if size < 1024 else f"{size >> 10} GiB"
        rows += [
            Row(f"register {name}, in millions", f"register-{size}", "register", "million"),
            Row("RAM that it takes, MiB", f"register-{size}", "register", "MiB"),
        ]
    for verb in ("alloc", "free"):
        word = {"alloc": "allocate", "free": "free"}[verb]
        for short, name in (("4k", "4 KiB"), ("64k", "64 KiB"), ("1m", "1 MiB"), ("4m", "4 MiB")):
            for full in (0, 50, 90, 99):
                state = "pool empty" if not full else f"{full} % full"
                rows.append(
                    Row(
                        f"{word} {name}, {state}",
                        "switch",
                        f"{verb}-{short}-full{full}",
                        "median",
                        TARGETS[verb] if full in (0, 90) and short != "4m" else None,
                    )
                )
        for short, name in (("4k", "4 KiB"), ("64k", "64 KiB"), ("256k", "256 KiB"), ("4m", "4 MiB")):
            for full, state in (
                (50, "every other 64 KiB free"),
                (90, "each tenth 64 KiB free"),
                (99, "each 100th 64 KiB free"),
            ):
                rows.append(
                    Row(
                        f"{word} {name}, {state}",
                        "switch",
                        f"{verb}-{short}-frag{full}",
                        "median",
                        TARGETS[verb] if (full, short) == (50, "256k") else None,
                    )
                )
    rows += [
        Row(f"fail to allocate {what}", "failures", f"fail-{name}", "median", target)
        for name, what, target in (
            ("more-empty", "more than there is, pool empty", None),
            ("4k-full", "4 KiB, pool full", 100),
            ("1m-full", "1 MiB, pool full", 100),
            ("1m-full-again", "1 MiB, pool full, a page came and went", None),
            ("1m-frag50", "1 MiB, every other 64 KiB free", 100),
            ("136k-crowd", "136 KiB, in a crowd of 132 KiB", 100),
            ("136k-crowd-again", "136 KiB, in a crowd, one of which came and went", None),
        )
    ]
    rows += [
        Row("distance to 2 clients", "switch", "distance-2", "median", 200),
        Row("find for 2 clients, 1 provider", "switch", "find-1", "median", 400),
    ]
    rows += [Row(f"find for 2 clients, {n} providers", "providers", f"find-{n}", "median") for n in (4, 16, 64)]
    for machine, where in (
        ("switch", "switch"),
        ("root-ports", "root complex"),
        ("switch-iommu", "switch, IOMMU"),
        ("root-ports-iommu", "root complex, IOMMU"),
    ):
        main = machine == "switch"
        rows += [
            Row(f"map one peer page, {where}", machine, "map-peer-1", "gross", 200 if main else None),
            Row(f"unmap one peer page, {where}", machine, "unmap-peer-1", "gross"),
            Row(f"map 256 peer pages, per page, {where}", machine, "map-peer-256", "per", 45 if main else None),
            Row(f"unmap 256 peer pages, per page, {where}", machine, "unmap-peer-256", "per", 15 if main else None),
            Row(f"map one RAM page, {where}", machine, "map-ram-1", "gross"),
            Row(f"unmap one RAM page, {where}", machine, "unmap-ram-1", "gross"),
            Row(f"map 256 RAM pages, per page, {where}", machine, "map-ram-256", "per"),
            Row(f"unmap 256 RAM pages, per page, {where}", machine, "unmap-ram-256", "per"),
        ]
    rows += [
        Row(f"map one peer page, {n:,} client{'s in turn' * (n > 1)}", "clients", f"turn-{n}", "gross", 200)
        for n in (1, 8, 32, 256, 1024)
    ]
    rows += [
        Row(f"{verb} {name} of 256 {memory} pages, per page", "rlist", f"{op}-{memory.lower()}-256", "per")
        for memory in ("RAM", "peer")
        for name, op, verb in (
            ("a scatterlist", "sg-fill", "fill"),
            ("a range list", "rlist-fill", "fill"),
            ("a scatterlist", "sg-map", "map"),
            ("a range list", "rlist-map", "map"),
            ("a scatterlist", "sg-walk", "walk through"),
            ("a range list", "rlist-walk", "walk through"),
            ("blocks", "rlist-blocks", "take out"),
            ("a scatterlist", "sg-unmap", "unmap"),
            ("a range list", "rlist-unmap", "unmap"),
        )
    ]
    rows += [
        Row("mmap 1,024 pages in a program, per page", "switch", "mmap-1024", "per-median"),
        Row("munmap 1,024 pages in a program, per page", "switch", "munmap-1024", "per-median"),
        *(
            Row(
                f"direct read into {where}, {pages} page{'s' * (pages > 1)}, per page",
                "switch",
                f"direct-{memory}-{pages}",
                "least",
            )
            for pages in (1, 16, 256)
            for memory, where in (("peer", "peer memory"), ("ram", "RAM"))
        ),
        *(
            Row(
                f"{verb} of {pages * 4} KiB, {layer}, {where}, each page",
                "stacks",
                f"{layer}-{verb}-{memory}-{pages}",
                "least",
            )
            for layer, verbs in (
                (layer, ("read", "write") if layer == "raid1" else ("read",)) for layer in machines.STACKS
            )
            for verb in verbs
            for pages in (1, 16)
            for memory, where in (("peer", "peer memory"), ("ram", "RAM"))
        ),
        Row("two processors allocate 4 KiB, times one", "cpus", "cpus-4k", "ratio", 1.7),
        Row("two processors allocate 64 KiB, times one", "cpus", "cpus-64k", "ratio", 1.7),
    ]
    return rows


def number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def table(results: Mapping[str, Results]) -> list[str]:
    """Lines for the terminal; RESULTS is {"ours": {machine: {operation: Figure}}, "stock": ...}."""
    lines = [f"{'operation':50} {'stock':>12} {'worst':>12} {'ours':>12} {'worst':>9} {'stock/ours':>11} {'target':>7}"]
    for row in table_rows():
        (stock, stock_worst), (ours, worst) = (pick(results.get(k), row) for k in ("stock", "ours"))
        if ours is None:
            continue
        ratio = "" if stock is None or not ours or row.how == "ratio" else f"{stock / ours:,.2f}"
        missed = row.target is not None and (ours < row.target if row.how == "ratio" else ours > row.target)
        target = "" if row.target is None else f"{row.target}{' !' if missed else ''}"
        lines.append(
            f"{row.label:50} {number(stock, row.places):>12} {stock_worst:>12} "
            f"{number(ours, row.places):>12} {worst:>9} {ratio:>11} {target:>7}".rstrip()
        )
    return lines


def pick(results: Results | None, row: Row) -> tuple[float | None, str]:
    """(value or None, what stands beside it)"""
    figure = (results or {}).get(row.machine, {}).get(row.operation)
    return (None, "") if figure is None else (row.value(figure), row.spread(figure))


def as_json(results: Mapping[str, Results], about: Mapping[str, Any], **more: Any) -> str:
    """MORE are further parts: what was measured in another way."""
    return (
        json.dumps(
            {
                "about": about,
                **more,
                "figures": {
                    which: {
                        machine: {op: asdict(figure) for op, figure in ops.items()} for machine, ops in machines.items()
                    }
                    for which, machines in results.items()
                },
            },
            indent=1,
        )
        + "\n"
    )


# ---- the baseline ----


def count(operation: str, figure: Figure) -> int:
    """Of one sample, without the clock: what is compared. The median, for a tick may fall into some.

    Not where chance decides among providers: there samples differ, but the mean of many does not.
    """
    if re.fullmatch("find-[0-9]+", operation) and operation != "find-1":
        return round(figure.mean) - figure.clock
    return (figure.median or figure.sum) - figure.clock


def exact(operation: str) -> bool:
    """What a user program measures has the timer's ticks in it."""
    return operation != "clock" and not operation.startswith(machines.OF_PROGRAMS)


def worst_is_exact(operation: str) -> bool:
    """These are measured with interrupts off, sample by sample of another piece of memory."""
    return operation.startswith(("alloc-", "free-", "fail-"))


def counts(results: Results) -> dict[str, dict[str, int]]:
    found = {}
    for machine, ops in results.items():
        found[machine] = {op: count(op, f) for op, f in ops.items() if exact(op)}
        found[machine] |= {f"{op} worst": f.max - f.clock for op, f in ops.items() if worst_is_exact(op)}
    return found


def accept(results: Results, about: Mapping[str, Any]) -> None:
    text = json.dumps({"license": LICENSE, "about": about, "counts": counts(results)}, indent=1) + "\n"
    BASELINE.write_text(text)


def compare(results: Results) -> tuple[list[str], list[str]]:
    """Lines that say what is worse than the baseline has it, or missing on one side; and what is better."""
    try:
        old = json.loads(BASELINE.read_text())["counts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fail(f"bench/{BASELINE.name}: {error!r}: restore it, or make it with " "'make bench ACCEPT=1'") from error
    new = counts(results)
    bad, good = [], []
    for machine in sorted(old | new):
        was, now = old.get(machine, {}), new.get(machine, {})
        for op in sorted(was | now):
            if op not in now:
                bad.append(f"{machine} {op}: not measured")
            elif op not in was:
                bad.append(f"{machine} {op}: {now[op]:,}, and the baseline has none")
            elif now[op] > was[op] * WORSE:
                bad.append(f"{machine} {op}: {now[op]:,}, was {was[op]:,}")
            elif now[op] * WORSE < was[op]:
                good.append(f"{machine} {op}: {now[op]:,}, was {was[op]:,}")
    return bad, good
