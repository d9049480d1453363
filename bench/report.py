# SPDX-License-Identifier: GPL-2.0-only
"""The table, the JSON, and the comparison with what was accepted last."""

import json
from dataclasses import asdict, dataclass

from bench import ROOT, BenchError

BASELINE = ROOT / "bench" / "BASELINE.json"
WORSE = 1.03            # an exact count that is more than this times the old one
LICENSE = "SPDX-License-Identifier: GPL-2.0-only"


@dataclass(frozen=True)
class Row:
    """One line of the table. What the clock costs is in the figures of mappings, as in those that are published."""
    label: str
    machine: str
    operation: str
    how: str                # "net", "gross": one operation without and with the clock; "per": of a list; "MiB", ...
    target: int | None = None

    def value(self, figure):
        if self.how == "net":
            return figure.mean - figure.clock
        if self.how == "median":
            return figure.median - figure.clock
        if self.how == "gross":
            return figure.mean
        if self.how == "per":
            return figure.mean / figure.per
        if self.how == "per-median":
            return (figure.median - figure.clock) / figure.per
        if self.how == "million":
            return figure.mean / 1e6
        if self.how == "MiB":
            return figure.memory / (1 << 20)
        return figure.median / figure.per           # "ratio"

    @property
    def places(self):
        return {"per": 1, "million": 1, "MiB": 1, "ratio": 2}.get(self.how, 0)


def table_rows():
    rows = [Row("register 8 GiB, in millions", "switch", "register", "million"),
            Row("RAM that it takes, MiB", "switch", "register", "MiB")]
    for size, name in (("4k", "4 KiB"), ("64k", "64 KiB"), ("1m", "1 MiB"), ("4m", "4 MiB")):
        for full in (0, 50, 90, 99):
            state = "pool empty" if not full else f"{full} % full"
            rows.append(Row(f"allocate {name}, {state}", "switch", f"alloc-{size}-full{full}", "net",
                            200 if full in (0, 90) and size != "4m" else None))
    rows += [Row("allocate 256 KiB, every other 64 KiB free", "switch", "alloc-256k-fragmented", "net", 200)]
    rows += [Row(f"free {name}", "switch", f"free-{size}-full0", "net", 107 if size == "4k" else None)
             for size, name in (("4k", "4 KiB"), ("1m", "1 MiB"))]
    rows += [Row("distance to 2 clients", "switch", "distance-2", "median", 200),
             Row("find for 2 clients, 1 lender", "switch", "find-1", "median", 400)]
    rows += [Row(f"find for 2 clients, {n} lenders", "lenders", f"find-{n}", "median") for n in (4, 16, 64)]
    for machine, where in (("switch", "switch"), ("root-ports", "root complex"), ("switch-iommu", "switch, IOMMU"),
                           ("root-ports-iommu", "root complex, IOMMU")):
        main = machine == "switch"
        rows += [Row(f"map one peer page, {where}", machine, "map-peer-1", "gross", 200 if main else None),
                 Row(f"unmap one peer page, {where}", machine, "unmap-peer-1", "gross"),
                 Row(f"map 256 peer pages, per page, {where}", machine, "map-peer-256", "per", 45 if main else None),
                 Row(f"unmap 256 peer pages, per page, {where}", machine, "unmap-peer-256", "per",
                     15 if main else None),
                 Row(f"map one RAM page, {where}", machine, "map-ram-1", "gross"),
                 Row(f"unmap one RAM page, {where}", machine, "unmap-ram-1", "gross"),
                 Row(f"map 256 RAM pages, per page, {where}", machine, "map-ram-256", "per"),
                 Row(f"unmap 256 RAM pages, per page, {where}", machine, "unmap-ram-256", "per")]
    rows += [Row("mmap 1,024 pages in a program, per page", "switch", "mmap-1024", "per-median"),
             Row("munmap 1,024 pages in a program, per page", "switch", "munmap-1024", "per-median"),
             Row("two processors allocate 4 KiB, times one", "cpus", "cpus-4k", "ratio"),
             Row("two processors allocate 64 KiB, times one", "cpus", "cpus-64k", "ratio")]
    return rows


def number(value, places):
    return "" if value is None else f"{value:,.{places}f}"


def table(results):
    """Lines for the terminal; RESULTS is {"ours": {machine: {operation: Figure}}, "stock": ...}."""
    lines = [f"{'operation':50} {'stock':>12} {'ours':>12} {'stock/ours':>11} {'target':>7}"]
    for row in table_rows():
        stock, ours = (pick(results.get(k), row) for k in ("stock", "ours"))
        if ours is None:
            continue
        ratio = "" if stock is None or not ours else f"{stock / ours:,.2f}"
        target = "" if row.target is None else f"{row.target}{'' if ours <= row.target else ' !'}"
        lines.append(f"{row.label:50} {number(stock, row.places):>12} {number(ours, row.places):>12} {ratio:>11} "
                     f"{target:>7}")
    return lines


def pick(results, row):
    figure = (results or {}).get(row.machine, {}).get(row.operation)
    return None if figure is None else row.value(figure)


def as_json(results, about):
    return json.dumps({"about": about, "figures": {
        which: {machine: {op: asdict(figure) for op, figure in ops.items()} for machine, ops in machines.items()}
        for which, machines in results.items()}}, indent=1) + "\n"


# ---- the baseline ----

def count(figure):
    """Of one sample, without the clock: what is compared. The median, for a tick may fall into some."""
    return (figure.median or figure.sum) - figure.clock


def exact(operation):
    """What a user program measures has the timer's ticks in it."""
    return operation != "clock" and not operation.startswith(("mmap-", "munmap-"))


def counts(results):
    return {machine: {op: count(f) for op, f in ops.items() if exact(op)} for machine, ops in results.items()}


def accept(results, about):
    text = json.dumps({"license": LICENSE, "about": about, "counts": counts(results)}, indent=1) + "\n"
    BASELINE.write_text(text)


def compare(results):
    """Lines that say what is worse than the baseline has it, or missing on one side; and what is better."""
    try:
        old = json.loads(BASELINE.read_text())["counts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"bench/{BASELINE.name}: {error!r}: restore it, or make it with "
                         "'make bench ACCEPT=1'") from error
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
