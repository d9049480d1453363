# SPDX-License-Identifier: GPL-2.0-only
"""What drives move per second, peer memory beside RAM and ours beside stock.

In a VM such figures say nothing by themselves, and they change with what else the host does. So they are ratios of
what ran one after the other: within a boot peer memory and RAM take turns, and the kernels do, boot by boot.
"""

import re
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from p2plib import Fail
from p2plib.bench import machines, measure
from p2plib.lab import programs, runner
from p2plib.lab.vm import Vm
from p2plib.lab.trace import Phase

BOOTS = 4  # of each kernel
ROUNDS = 2  # of all jobs in a boot
SECONDS = 1  # of a job
TRIED = 1 << 20  # bytes that each way to peer memory is tried with
KIB = {"4k": 4, "1m": 1024}

# job: (what it is, the way to peer memory that it takes)
JOBS = {
    "read-4k-1": ("read 4 KiB, one at a time", "direct"),
    "read-4k-16": ("read 4 KiB, 16 at a time", "direct"),
    "write-4k-16": ("write 4 KiB, 16 at a time", "direct"),
    "read-1m-4": ("read 1 MiB, 4 at a time", "direct"),
    "write-1m-4": ("write 1 MiB, 4 at a time", "direct"),
    "loop-4k-16": ("target over loop, read 4 KiB, 16 at a time", "loop"),
    "tcp-4k-16": ("target over TCP, read 4 KiB, 16 at a time", "tcp"),
}
# Ways that every kernel must have; a figure for what goes elsewhere would be a lie.
MUST = {"ours": {"direct", "loop", "tcp"}, "stock": {"direct"}}


@dataclass
class Boot:
    """Of one boot: {job: {"ram" or "peer": [KiB per second, round by round]}}, and where each way has led."""

    rates: dict = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    ways: dict = field(default_factory=dict)  # way: "peer", "ram" or "refused"


@dataclass(frozen=True)
class Ratio:
    """Of interleaved runs."""

    n: int
    median: float
    low: float  # quartiles
    high: float
    min: float
    max: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


# By kernel
Found = Mapping[str, Sequence[Boot]]


def ratio(values: Iterable[float]) -> Ratio:
    values = sorted(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Ratio(len(values), statistics.median(values), low, high, values[0], values[-1])


def quiet(vm: Vm) -> None:
    """The ways are known now; a line of trace per page would be part of what is measured."""
    if said := vm.qmp.command("human-monitor-command", **{"command-line": "trace-event pci_nvme_* off"}).strip():
        raise ValueError(f"QEMU: {said}")


def parse(lines: Sequence[str], phases: Iterable[Phase], provider: str) -> Boot:
    """A Boot, or a Fail if something in it is not as it should be."""
    boot = Boot()
    succeeded = next((line.split()[2:] for line in lines if line.startswith("# ways:")), None)
    if succeeded is None:
        raise Fail("the guest did not say which ways there are: look at ktap.log")
    for phase in phases:
        if phase.name not in succeeded:
            boot.ways[phase.name] = "refused"
        elif (dict(phase.bars), phase.ram, phase.unknown) == ({provider: TRIED}, 0, 0):
            boot.ways[phase.name] = "peer"
        elif (dict(phase.bars), phase.ram, phase.unknown) == ({}, TRIED, 0):
            boot.ways[phase.name] = "ram"
        else:
            raise Fail(
                f"{phase.name}: the drive moved {dict(phase.bars)} in BARs and {phase.ram} bytes in RAM, "
                f"expected {TRIED} in one of them: look at trace.log"
            )
    for line in lines:
        if not line.startswith("# rate "):
            continue
        found = re.fullmatch(r"# rate (\S+)/(ram|peer) error=(\d+) read=(\d+) write=(\d+)", line)
        if not found or found[1] not in JOBS:
            raise Fail(f"'{line}' is no result of a job: look at ktap.log")
        job, memory, error, *rates = found.groups()
        rate = int(rates[job.startswith("write")])
        if int(error) or not rate:
            raise Fail(f"{job}/{memory}: fio's error {error}, {rate} KiB/s: look at ktap.log")
        if memory == "ram" or boot.ways.get(JOBS[job][1]) == "peer":
            boot.rates[job][memory].append(rate)
    return boot


def check(which: str, boot: Boot, rounds: int) -> None:
    """Every job has run as often as it should, in the memory that it is said to have used."""
    for way in sorted(MUST[which]):
        if boot.ways.get(way) != "peer":
            raise Fail(f"{which}: {way}: data went to {boot.ways.get(way)}, not to peer memory")
    for job, (_, way) in JOBS.items():
        for memory in ("ram", "peer") if boot.ways.get(way) == "peer" else ("ram",):
            if len(boot.rates[job][memory]) != rounds:
                raise Fail(f"{which}: {job}/{memory} ran {len(boot.rates[job][memory])} times, not {rounds}")


def boot(which: str, files: Sequence[Path], rounds: int = ROUNDS, seconds: int = SECONDS) -> Boot:
    provider = next(iter(machines.RATES.providers))
    program = programs.Program(
        "rates",
        "",
        lambda t: ["bench-rates.sh", str(rounds), str(seconds), *t.clients, provider],
        timeout=240 + 3 * rounds * 14 * seconds,
        extras=("fio",),
        handlers={"quiet": quiet},
        env={"P2P_TRIED_KIB": TRIED >> 10},
        taint=programs.TAINT_UNSIGNED,
    )
    run = runner.Run(machines.RATES, program, config=measure.KERNELS[which], files=files).go()
    if not run.passed:
        raise Fail(f"{which} in {machines.RATES.name}: {'; '.join(run.reasons)}: see {run.folder}")
    result = parse(run.vm.lines, run.vm.phases, provider)
    check(which, result, rounds)
    measure.say(f"{which:5} {'drives':18} {run.seconds:5.1f} s")
    return result


def collect(boots: int = BOOTS) -> dict[str, list[Boot]]:
    """{which: [Boot]}, in turns, and each kernel as often first."""
    files = {which: measure.prepare(which) for which in measure.KERNELS}
    found: dict[str, list[Boot]] = {which: [] for which in files}
    for i in range(boots):
        for which in list(files)[:: 1 if i % 2 else -1]:
            found[which].append(boot(which, files[which]))
    return found


def peer_to_ram(boots: Sequence[Boot], job: str) -> Ratio | None:
    """Of the rounds of all boots, or None if there is no way to peer memory."""
    pairs = [pair for b in boots for pair in zip(b.rates[job]["peer"], b.rates[job]["ram"])]
    return ratio([peer / ram for peer, ram in pairs]) if pairs else None


def ours_to_stock(found: Found, job: str, memory: str) -> Ratio | None:
    """Of boots, one of each kernel after the other."""
    middles = {
        which: [statistics.median(b.rates[job][memory]) for b in boots if b.rates[job][memory]]
        for which, boots in found.items()
    }
    return ratio([a / b for a, b in zip(middles["ours"], middles["stock"])]) if all(middles.values()) else None


def per_second(boots: Sequence[Boot], job: str) -> float:
    """The median of all rounds, from and to RAM."""
    return statistics.median(r for b in boots for r in b.rates[job]["ram"]) / KIB[job.split("-")[1]]


def refusal(boots: Sequence[Boot], way: str) -> str:
    """What to show in place of a ratio."""
    return {"refused": "refused", "ram": "in RAM"}.get(boots[0].ways.get(way, ""), "none")


def rows(found: Found) -> Iterator[tuple[str, ...]]:
    """(what, per second from RAM, peer/RAM in stock and in ours, ours/stock with RAM and with peer memory)."""
    for job, (text, way) in JOBS.items():
        peer = [peer_to_ram(found[which], job) for which in ("stock", "ours")]
        yield (
            text,
            f"{per_second(found['ours'], job):,.0f}",
            *(str(r) if r else refusal(found[which], way) for which, r in zip(("stock", "ours"), peer)),
            str(ours_to_stock(found, job, "ram")),
            str(ours_to_stock(found, job, "peer") or ""),
        )


def table(found: Found) -> list[str]:
    lines = [
        f"{'drives, per second':44} {'ours, RAM':>10} {'peer/RAM, stock':>17} {'peer/RAM, ours':>17} "
        f"{'RAM, ours/stock':>17} {'peer, ours/stock':>17}"
    ]
    lines += [f"{a:44} {b:>10} {c:>17} {d:>17} {e:>17} {f:>17}" for a, b, c, d, e, f in rows(found)]
    lines.append(f"Ratios of interleaved runs: median (quartiles), of {len(found['ours'])} boots of each kernel.")
    return lines


def as_dict(found: Found) -> dict[str, Any]:
    every = {
        job: {
            "peer/ram": {
                which: vars(r) if (r := peer_to_ram(found[which], job)) else refusal(found[which], JOBS[job][1])
                for which in found
            },
            "ours/stock": {
                memory: vars(r) if (r := ours_to_stock(found, job, memory)) else None for memory in ("ram", "peer")
            },
        }
        for job in JOBS
    }
    return {
        "ratios": every,
        "ways": {which: boots[0].ways for which, boots in found.items()},
        "KiB per second": {
            which: [{job: dict(b.rates[job]) for job in JOBS} for b in boots] for which, boots in found.items()
        },
    }
