# SPDX-License-Identifier: GPL-2.0-only
"""One run from names to verdict, and the folder that it leaves in build/runs."""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace as replace_fields
from pathlib import Path
from typing import Any

from p2plib import BUILD, Fail
from p2plib.arch import X86_64, Arch
from p2plib.common import say
from p2plib.lab import accel, drives, initramfs, programs, races, topology
from p2plib.lab.judge import Verdict, judge
from p2plib.lab.pair import Pair
from p2plib.lab.programs import Program
from p2plib.lab.topology import Topology
from p2plib.lab.vm import Vm, Watch, ignore, qemu

RUNS = BUILD / "runs"
SLOWER = {"debug": 5, "kcsan": 5}  # a kernel's time, in times of the plain one's
# A warning ends a guest; a race must not, as it may be none of ours. And an interrupt takes its time there.
CMDLINE = {"kcsan": "panic_on_warn=0 pool_test.rounds=1000 pool_test.period=5000"}
# What a console must show; without it, that there are no races says nothing.
WATCHES = {
    "kcsan": (
        r"kcsan: enabled early",
        r"kcsan: strict mode configured",
        r"kcsan: selftest: (\d+)/\1 tests passed",
        r"kcsan: setup_watchpoints: [1-9]",
    )
}
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@dataclass
class Run:
    """What is to be run: a program on a topology, on a kernel of build/out or on an image from elsewhere."""

    topology: Topology
    program: Program
    config: str = "lab"
    kernel: Path | None = None  # an image from elsewhere
    tree: Path | None = None  # its source
    timeout: float | None = None  # seconds
    accel: str | None = None  # of vm.ACCELERATORS, None is what the environment and the machine give
    files: Sequence[Path] = ()  # further files for the guest, which go to its /lib
    root: Path | None = None  # has folders for the guest's root
    watch: Watch = ignore
    image: Path = field(init=False)
    source: Path = field(init=False)

    def __post_init__(self) -> None:
        """Complain before anything is shown or made."""
        if self.program.cpu and self.arch == X86_64:
            self.topology = replace_fields(self.topology, cpu=self.program.cpu)
        qemu(self.arch)
        if self.kernel and not self.kernel.is_file():
            raise Fail(f"no kernel image {self.kernel}: name another file, or none for that of --config")
        self.image = self.kernel or self.out / self.arch.image
        if not self.image.is_file():
            raise Fail(f"no kernel image {self.image}: run 'make build CONFIG={self.config}{self.arch.word}'")
        built_from = self.out / "source"
        self.source = self.tree or (built_from.resolve() if built_from.exists() else BUILD / "tree")
        if not (self.source / "tools/testing/kunit/kunit_parser.py").is_file():
            raise Fail(f"{self.source} is no kernel tree: run 'make tree', or name one with --tree")
        for module in self.modules:
            if not module.is_file():
                how = "scripts/lab-modules" if module.parent.name == self.out.name else "scripts/build"
                raise Fail(f"no {module}: run {how} {self.config}")

    @property
    def arch(self) -> Arch:
        return self.topology.arch

    @property
    def name(self) -> str:
        return f"{self.topology.name}.{self.program.name}.{self.out.name}"

    @property
    def out(self) -> Path:
        return BUILD / "out" / self.arch.folder(self.config)

    @property
    def folder(self) -> Path:
        return RUNS / self.name

    @property
    def modules(self) -> list[Path]:
        """Those of lab/modules, and the kernel's own, which are beside it."""
        ours = [BUILD / "modules" / self.out.name / f"{name}.ko" for name in self.program.modules]
        own = [self.image.parents[3] / f"{name}.ko" for name in self.program.kernel_modules]
        return [*ours, *own, *(target_modules(self.image) if self.program.target else ())]

    @property
    def taint(self) -> int:
        """None of them has a signature."""
        return self.program.taint | (programs.TAINT_UNSIGNED if self.modules else 0)

    @property
    def cmdline(self) -> str:
        more = self.program.debug_cmdline if self.config in SLOWER else ""
        return " ".join(filter(None, [self.program.words, more, CMDLINE.get(self.config)]))

    def go(self) -> "Result":
        """Boot, run, judge. What is left in the folder is complete or not there at all."""
        result = self.attempt()
        still = result.vm.timed_out and result.vm.sentinel is not None
        if why := emulation_died(result.vm.process, (self.folder / "console.log").read_text(errors="replace"), still):
            say(f"{self.name}: {why}: once more")
            result = self.attempt()
        return result

    def attempt(self) -> "Result":
        RUNS.mkdir(parents=True, exist_ok=True)
        new = RUNS / f".{self.name}.{os.getpid()}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            result = self.in_folder(new)
            replace(new, self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return result

    def in_folder(self, folder: Path) -> "Result":
        program = self.program
        if (self.out / ".config").exists():
            shutil.copy(self.out / ".config", folder / "kernel.config")
        limit = self.timeout or program.timeout * SLOWER.get(self.config, 1)
        pair, second = Pair() if program.initiator else None, None
        vm = self.machine(folder, pair)
        before = drives.fill(vm, program.mib(self.topology))
        start = time.monotonic()
        if pair and program.initiator:
            second = pair.initiator(vm, program.initiator(self.topology))
            pair.run(vm, second, limit)
        else:
            vm.run(limit)
        seconds = time.monotonic() - start
        vm.account()
        result = Result(self, vm, seconds, self.judge(vm, second))
        if result.passed and not result.counts["skipped"]:
            result.reasons.extend(program.check(vm, before))
        for drive in self.topology.drives:
            vm.drive_file(drive).unlink()
        (folder / "result.json").write_text(json.dumps(result.as_dict(), indent=1) + "\n")
        return result

    def machine(self, folder: Path, pair: Pair | None) -> Vm:
        program = self.program
        files = (*self.files, *self.modules)
        initrd = initramfs.build(self.source, program.extras, files, program.installed, self.root, arch=self.arch)
        return Vm(
            self.topology,
            self.image,
            initrd,
            program.order(self.topology),
            folder,
            accel=self.accel or accel.choose(self.image, initrd, self.arch),
            memory="2G" if self.config == "debug" else "",
            cmdline=self.cmdline,
            env=program.env,
            trace_dma=program.trace_dma,
            events=program.events,
            possible_cpus=program.possible_cpus,
            wire=pair.wires[0] if pair else None,
            handlers={**program.handlers, **(pair.handlers if pair else {})},
            watch=self.watch,
        )

    def judge(self, vm: Vm, second: Vm | None) -> Verdict:
        """The verdict on both VMs, before the program's own check."""
        functions = races.Functions(self.out) if self.config in WATCHES else None
        verdict = judge(vm, self.source, self.config in self.program.skip_on, self.taint, functions)
        console = vm.console()
        verdict.reasons += [
            f"{self.config}: the console does not say '{pattern}'"
            for pattern in WATCHES.get(self.config, ())
            if not re.search(pattern, console)
        ]
        if second:
            more = judge(second, self.source, taint=self.taint & programs.TAINT_UNSIGNED, functions=functions)
            verdict.reasons += [f"initiator: {reason}" for reason in more.reasons]
            verdict.elsewhere += more.elsewhere
            verdict.counts = {name: verdict.counts[name] + more.counts[name] for name in more.counts}
        return verdict


@dataclass
class Result:
    """What came of a run."""

    run: Run
    vm: Vm
    seconds: float
    verdict: Verdict

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def folder(self) -> Path:
        return self.run.folder

    @property
    def reasons(self) -> list[str]:
        return self.verdict.reasons

    @property
    def counts(self) -> dict[str, int]:
        return self.verdict.counts

    @property
    def elsewhere(self) -> list[str]:
        return self.verdict.elsewhere

    @property
    def passed(self) -> bool:
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        run, vm = self.run, self.vm
        return {
            "topology": run.topology.name,
            "program": run.program.name,
            "config": run.config,
            "kernel": str(run.image),
            "accel": vm.accel,
            "verdict": "pass" if self.passed else "fail",
            "reasons": self.reasons,
            "seconds": round(self.seconds, 1),
            "ktap": self.counts,
            "races elsewhere": dict(Counter(self.elsewhere)),
            "sentinel": vm.sentinel,
            "drives": vm.bdfs,
            "bars": {p: [hex(x) for x in bar] for p, bar in vm.bars.items()},
            "phases": {p.name: p.as_dict() for p in vm.phases},
        }

    def explain(self) -> str:
        """What a human needs after a failure."""
        run = self.run
        prefix = "" if run.config == "lab" else f"CONFIG={run.config} "
        return "\n".join(
            [
                *(f"{self.name}: {reason}" for reason in self.reasons),
                f"log:   {self.folder}",
                f"rerun: {prefix}make test{run.arch.word} T={run.topology.name}.{run.program.name}",
                f"shell: {prefix}make shell{run.arch.word} TOPO={run.topology.name}",
            ]
        )


def target_modules(kernel: Path) -> list[Path]:
    """The NVMe target of a kernel image; lab/guest/init loads it."""
    return [kernel.parents[3] / "drivers/nvme/target" / f"{name}.ko" for name in programs.TARGET]


# Of RCU, which has found a CPU that does not answer
IDLE = re.compile(r"NMI backtrace for cpu \d+ skipped: idling at default_idle\+")

# What a guest says that is switched off, or cannot be
STOPPED = re.compile(r"reboot: Power down|BUG: |WARNING: |INFO: |rcu: ")


def emulation_died(qemu: subprocess.Popen | None, console: str, still: bool = False) -> str:
    """Why a run says nothing of what is tested; "" if it does. Nothing else is excused, and that once.

    Once in some thousand boots the emulated timer interrupts while the base's check_timer() sets up its interrupt, long
    before any code of ours has run. QEMU 7.2 may dereference a null pointer when a drive is reset while it does DMA.
    And on a busy machine the timer of an emulated CPU that idles may stop for good: RCU finds its own thread waiting
    for that, and the CPU idle. Or all stand STILL while the guest is switched off, everything having been told, and not
    even the watchdogs, which have a minute, say anything.
    """
    if re.search(r"RIP: \S+:mask_ioapic_irq\+", console) and "Run /init" not in console:
        return "the guest died of its timer before it had set up the IOAPIC"
    if qemu and qemu.returncode == -signal.SIGSEGV:
        return "QEMU itself died of a segmentation fault"
    if IDLE.search(console) and "rcu: \tPossible timer handling issue on cpu=" in console:
        return "the timer of an emulated CPU has stopped"
    if still and not STOPPED.search(console):
        return "the guest stands still, and has said all"
    return ""


def replace(new: Path, final: Path) -> None:
    """Put NEW in the place of FINAL, which at no moment is missing or half there."""
    if not final.exists():
        new.rename(final)
    elif ctypes.CDLL(None).renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(final), RENAME_EXCHANGE):
        shutil.rmtree(final)
        new.rename(final)


def run(topology_name: str, program_name: str, **options: Any) -> Result:
    return Run(topology.load(topology_name), programs.get(program_name), **options).go()
