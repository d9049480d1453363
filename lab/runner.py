# SPDX-License-Identifier: GPL-2.0-only
"""One run from names to verdict, and the folder that it leaves in build/runs."""

import ctypes
import functools
import json
import os
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field, replace as replace_fields
from pathlib import Path

from lab import BUILD, LabError, accel, initramfs, programs, races, topology
from lab.judge import judge
from lab.pair import Pair
from lab.vm import Vm, qemu

RUNS = BUILD / "runs"
SLOWER = {"debug": 5, "kcsan": 5}       # a kernel's time, in times of the plain one's
# A warning ends a guest; a race must not, as it may be none of ours. And an interrupt takes its time there.
CMDLINE = {"kcsan": "panic_on_warn=0 pool_test.rounds=1000 pool_test.period=5000"}
# What a console must show; without it, that there are no races says nothing.
WATCHES = {"kcsan": (r"kcsan: enabled early", r"kcsan: strict mode configured", r"kcsan: selftest: (\d+)/\1 tests passed",
                     r"kcsan: setup_watchpoints: [1-9]")}
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@dataclass
class Run:
    topology: topology.Topology
    program: programs.Program
    config: str = "lab"
    kernel: Path | None = None
    tree: Path | None = None
    timeout: float | None = None
    accel: str | None = None    # of vm.ACCELERATORS, None is what the environment and the machine give
    files: tuple = ()           # further files for the guest, which go to its /lib
    watch: object = None        # called with each line of results as it comes
    before: dict = field(default_factory=dict)
    reasons: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)   # races that are not ours, by what KCSAN calls them
    counts: dict = field(default_factory=dict)
    vm: Vm | None = None
    seconds: float = 0.0

    def __post_init__(self):
        if self.program.cpu:
            self.topology = replace_fields(self.topology, cpu=self.program.cpu)
        qemu()              # to complain before anything is shown or made
        out = BUILD / "out" / self.config
        if self.kernel and not self.kernel.is_file():
            raise LabError(f"no kernel image {self.kernel}: name another file, or none for that of --config")
        if not self.kernel:
            self.kernel = out / "arch/x86/boot/bzImage"
        if not self.kernel.is_file():
            raise LabError(f"no kernel image {self.kernel}: run 'make build CONFIG={self.config}'")
        if not self.tree:
            source = out / "source"
            self.tree = source.resolve() if source.exists() else BUILD / "tree"
        if not (self.tree / "tools/testing/kunit/kunit_parser.py").is_file():
            raise LabError(f"{self.tree} is no kernel tree: run 'make tree', or name one with --tree")
        if not self.timeout:
            self.timeout = self.program.timeout * SLOWER.get(self.config, 1)

    @property
    def name(self):
        return f"{self.topology.name}.{self.program.name}.{self.config}"

    @property
    def folder(self):
        return RUNS / self.name

    @property
    def passed(self):
        return not self.reasons

    def go(self):
        """Boot, run, judge. What is left in the folder is complete or not there at all."""
        self.attempt()
        if stillborn((self.folder / "console.log").read_text(errors="replace")):
            print(f"p2p: {self.name}: the guest died of its timer before it had set up the IOAPIC: once more", flush=True)
            self.attempt()
        return self

    def attempt(self):
        RUNS.mkdir(parents=True, exist_ok=True)
        new = RUNS / f".{self.name}.{os.getpid()}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            self.in_folder(new)
            replace(new, self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def in_folder(self, folder):
        initrd = initramfs.build(self.tree, self.program.extras, self.files)
        mode = self.accel or accel.choose(self.kernel, initrd)
        config = BUILD / "out" / self.config / ".config"
        if config.exists():
            shutil.copy(config, folder / "kernel.config")
        memory = "2G" if self.config == "debug" else None
        self.vm = Vm(self.topology, self.kernel, initrd, self.program.order(self.topology), folder, mode, memory)
        more = self.program.debug_cmdline if self.config in SLOWER else ""
        self.vm.cmdline = " ".join(filter(None, [self.program.cmdline, more, CMDLINE.get(self.config)]))
        self.vm.events = self.program.events
        self.vm.books = self.program.books
        self.vm.possible_cpus = self.program.possible_cpus
        for verb, handler in self.program.handlers.items():
            self.vm.handlers[verb] = functools.partial(handler, self.vm)
        if self.watch:
            self.vm.watch = self.watch
        self.before = programs.fill_drives(self.vm, self.program.mib(self.topology))
        start = time.monotonic()
        pair = Pair(self.vm, self.program.initiator(self.topology)) if self.program.initiator else None
        (pair or self.vm).run(self.timeout)
        self.seconds = time.monotonic() - start
        self.vm.account()
        skip = self.config in self.program.skip_on
        functions = races.Functions(BUILD / "out" / self.config) if self.config in WATCHES else None
        self.reasons, self.counts, self.elsewhere = judge(self.vm, self.tree, skip, self.program.taint, functions)
        self.reasons += self.blind(folder)
        if pair:
            reasons, counts, elsewhere = judge(pair.second, self.tree, functions=functions)
            self.elsewhere += elsewhere
            self.reasons += [f"initiator: {reason}" for reason in reasons]
            self.counts = {name: self.counts[name] + counts[name] for name in counts}
        if self.passed and not self.counts["skipped"]:
            self.reasons += self.program.check(self.vm, self)
        for drive in self.topology.drives:
            self.vm.drive_file(drive).unlink()
        (folder / "result.json").write_text(json.dumps(self.as_dict(mode), indent=1) + "\n")

    def blind(self, folder):
        """Reasons why this kernel would not have noticed what it is there for."""
        console = (folder / "console.log").read_text(errors="replace")
        return [f"{self.config}: the console does not say '{pattern}'" for pattern in WATCHES.get(self.config, ())
                if not re.search(pattern, console)]

    def as_dict(self, mode):
        return {"topology": self.topology.name, "program": self.program.name, "config": self.config,
                "kernel": str(self.kernel), "accel": mode, "verdict": "pass" if self.passed else "fail",
                "reasons": self.reasons, "seconds": round(self.seconds, 1), "ktap": self.counts, "races elsewhere": dict(Counter(self.elsewhere)),
                "sentinel": self.vm.sentinel, "drives": self.vm.bdfs,
                "bars": {p: [hex(x) for x in bar] for p, bar in self.vm.bars.items()},
                "phases": {p.name: p.as_dict() for p in self.vm.phases}}

    def explain(self):
        """What a human needs after a failure."""
        lines = [f"{self.name}: {reason}" for reason in self.reasons]
        prefix = "" if self.config == "lab" else f"CONFIG={self.config} "
        lines += [f"log:   {self.folder}",
                  f"rerun: {prefix}make test T={self.topology.name}.{self.program.name}",
                  f"shell: {prefix}make shell TOPO={self.topology.name}"]
        return "\n".join(lines)


def stillborn(console):
    """Once in some thousand boots the emulated timer interrupts while the base's check_timer() sets up its interrupt.

    That is long before any code of ours has run; nothing that comes later is excused.
    """
    return bool(re.search(r"RIP: \S+:mask_ioapic_irq\+", console)) and "Run /init" not in console


def replace(new, final):
    """Put NEW in the place of FINAL, which at no moment is missing or half there."""
    if not final.exists():
        new.rename(final)
    elif ctypes.CDLL(None).renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(final), RENAME_EXCHANGE):
        shutil.rmtree(final)
        new.rename(final)


def run(topology_name, program_name, **options):
    return Run(topology.load(topology_name), programs.get(program_name), **options).go()
