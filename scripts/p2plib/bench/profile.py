# SPDX-License-Identifier: GPL-2.0-only
"""Where the instructions of one operation go: QEMU logs each of them, and the kernel's symbols say whose they are."""

import bisect
import fnmatch
import re
import subprocess
from collections import Counter
from collections.abc import Sequence, Iterable, Iterator
from pathlib import Path

from p2plib import BUILD, Fail
from p2plib.bench import OUT, machines, measure
from p2plib.lab import programs, runner
from p2plib.lab.vm import Vm
from p2plib.bench.machines import Machine

CLOCK = "ktime_get"  # called by the module before and after what it measures
MODULE = "[p2pdma_bench]"
EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")


# Instructions: the function of each, and whether it is that function's first
Sample = list[tuple[str, bool]]


class Symbols:
    def __init__(self, kernel: Path, module_lines: Iterable[str]) -> None:
        nm = subprocess.run(["nm", kernel], capture_output=True, text=True, check=True).stdout
        found = {
            int(words[0], 16): words[2]
            for words in map(str.split, nm.splitlines())
            if len(words) == 3 and words[1] in "tTwW"
        }
        for line in module_lines:
            if words := re.fullmatch(r"# symbol ([0-9a-f]+) (\S+)\s*", line):
                found[int(words[1], 16)] = MODULE
        self.starts = sorted(found)
        self.names = [found[start] for start in self.starts]

    def find(self, address: int) -> tuple[str, bool]:
        """(name, whether it is the first instruction)."""
        index = bisect.bisect_right(self.starts, address) - 1
        return (self.names[index], self.starts[index] == address) if index >= 0 else ("?", False)


def handler(vm: Vm, edge: str) -> None:
    """Each instruction a block of its own, and each block a line of the log; but only while it is wanted."""

    def monitor(line: str) -> None:
        said = vm.qmp.command("human-monitor-command", **{"command-line": line})
        if said.strip():
            raise ValueError(f"QEMU: {line}: {said.strip()}")

    if edge == "begin":
        monitor(f"logfile {vm.folder / 'exec.log'}")
        monitor("singlestep on")
        monitor("log exec,nochain")
    else:
        monitor("log none")
        monitor("singlestep off")


def samples(log: Path, symbols: Symbols) -> Iterator[Sample]:
    """For each thing measured, what ran between the module's two looks at the clock: [(function, entered)]."""
    last, before = "", ""
    current: Sample | None = None
    with log.open(errors="replace") as lines:
        for line in lines:
            if not (match := EXECUTED.match(line)):
                continue
            name, first = symbols.find(int(match[1], 16))
            if name == CLOCK and first and last == MODULE and current is not None:
                yield current
                current, before = None, "end"
            elif name == CLOCK and first and last == MODULE:
                before = "start"
            elif name == MODULE and last == CLOCK and before == "start":
                current, before = [], ""
            if current is not None:
                current.append((name, first))
            last = name


def choose(wish: str) -> tuple[Machine, str]:
    """(machine, operation) of OPERATION or MACHINE:OPERATION."""
    name, _, operation = wish.rpartition(":")
    for machine in machines.ALL:
        if name in ("", machine.name) and machine.exact:
            if any(fnmatch.fnmatchcase(operation, pattern) for pattern in machine.operations):
                return machine, operation
    raise Fail(
        f"PROFILE={wish}: no such operation: names are those of build/bench/result.json, or " "MACHINE:OPERATION"
    )


def profile(which: str, machine: Machine, operation: str) -> Sample:
    files = measure.prepare(which)
    program = programs.Program(
        "profile",
        "",
        lambda _: ["bench.sh", "-p", operation],
        timeout=900,
        handlers={"profile": handler},
        taint=programs.TAINT_UNSIGNED,
        possible_cpus=machine.possible_cpus,
    )
    run = runner.Run(machine.topology, program, config=measure.KERNELS[which], accel="icount", files=files).go()
    log = run.folder / "exec.log"
    if not run.passed:
        log.unlink(missing_ok=True)
        raise Fail(f"{which} in {machine.name}: {'; '.join(run.reasons)}: see {run.folder}")
    symbols = Symbols(BUILD / "out" / measure.KERNELS[which] / "vmlinux", run.vm.lines)
    found = list(samples(log, symbols))
    log.unlink()
    if not found:
        raise Fail(f"{operation}: no sample was seen: look at {run.folder}")
    # Others were taken, too: the clock alone, the frees between the allocations.
    figure = measure.figures(run.vm.lines)[operation]
    return min(found, key=lambda sample: abs(len(sample) + figure.clock - figure.median))


def table(which: str, operation: str, sample: Sample) -> list[str]:
    executed = Counter(name for name, _ in sample)
    entered = Counter(name for name, first in sample if first)
    lines = [
        f"{which}: {operation}: {len(sample):,} instructions, the second look at the clock not counted",
        f"{'instructions':>14} {'':>7} {'entered':>8}  function",
    ]
    for name, number in executed.most_common(40):
        lines.append(f"{number:14,} {100 * number / len(sample):6.1f}% {entered[name]:8,}  {name}")
    return lines


def keep(which: str, operation: str, lines: Sequence[str]) -> Path:
    path = OUT / f"profile-{which}-{operation}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path
