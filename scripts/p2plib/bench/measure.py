# SPDX-License-Identifier: GPL-2.0-only
"""From a kernel to figures: build the module for it, boot it, run the operations."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.bench import OUT
from p2plib.lab import programs, runner, vm
from p2plib.bench.machines import Machine

DRIVER = ROOT / "bench" / "driver"
USER = ROOT / "bench" / "user.c"
MODULE = "p2pdma_bench.ko"
# Kernel: its configuration, as scripts/build has it.
KERNELS = {"ours": "lab", "stock": "stock"}


@dataclass(frozen=True)
class Figure:
    """What one operation took: instructions under icount, else what the operation says."""

    n: int  # samples
    per: int  # things done in each
    sum: int
    median: int = 0
    min: int = 0
    max: int = 0
    clock: int = 0  # of a sample, to read the clock
    bar: int = 0
    memory: int = 0  # bytes of RAM that went

    @property
    def mean(self) -> float:
        return self.sum / self.n


# Of one boot, by operation; and of several, by machine
Figures = dict[str, Figure]
Results = Mapping[str, Figures]


def say(text: str) -> None:
    print(f"p2p: bench: {text}", flush=True)


def script(name: str, *argv: str) -> None:
    done = subprocess.run([ROOT / "scripts" / name, *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fail(f"scripts/{name} {' '.join(argv)} failed: {done.stderr.strip()}")


def copy(source: Path, new: Path) -> None:
    """Not touched when nothing changed, so that nothing is built again."""
    if not new.exists() or new.read_bytes() != source.read_bytes():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, new)


def prepare(which: str) -> tuple[Path, Path]:
    """The files that go into the guest. The module is built beside the tree, which stays as it is."""
    config = KERNELS[which]
    folder = OUT / which
    for source in DRIVER.iterdir():
        copy(source, folder / source.name)
    out = BUILD / "out" / config
    if not (out / "arch/x86/boot/bzImage").exists():
        raise Fail(f"no {which} kernel in {out.relative_to(ROOT)}: run 'make bench'")
    script("build", config, "modules_prepare")
    script("build", config, "modules", "--make", f"M={folder}")
    user = folder / "user"
    done = subprocess.run(
        ["gcc", "-static", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", user, USER],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Fail(f"bench/user.c does not compile: correct it\n{done.stderr}")
    return (folder / MODULE, user)


def boot(which: str, machine: Machine, files: Sequence[Path]) -> Figures:
    """{operation: Figure} of one boot."""
    program = programs.Program(
        "bench",
        "",
        lambda _: ["bench.sh", *machine.operations],
        timeout=machine.stock_timeout if which == "stock" else machine.timeout,
        possible_cpus=machine.possible_cpus,
        taint=programs.TAINT_UNSIGNED,
        extras=machine.extras,
    )
    run = runner.Run(machine.topology, program, config=KERNELS[which], accel=machine.accel, files=files).go()
    if not run.passed:
        raise Fail(f"{which} in {machine.name}: {'; '.join(run.reasons)}: see {run.folder}")
    say(f"{which:5} {machine.name:18} {run.seconds:5.1f} s")
    return figures(run.vm.lines)


def figures(lines: Sequence[str]) -> Figures:
    result = {}
    for line in lines:
        if words := re.fullmatch(r"# bench (\S+) ((?:\w+=\d+ ?)+)", line):
            pairs = dict(pair.split("=") for pair in words[2].split())
            result[words[1]] = Figure(**{k: int(v) for k, v in pairs.items()})
    return result


def measure(which: str, machines: Iterable[Machine], kept: bool = True) -> Results:
    """{machine: {operation: Figure}}. What the stock kernel takes is kept until it or the work is another one."""
    files = prepare(which)
    results = {}
    for machine in machines:
        if which == "stock" and not machine.stock:
            continue
        store = OUT / which / f"{machine.name}.json"
        key = fingerprint(which, machine, files)
        if which == "stock" and kept and store.exists() and (old := json.loads(store.read_text()))["key"] == key:
            results[machine.name] = {op: Figure(**f) for op, f in old["figures"].items()}
            continue
        found = results[machine.name] = boot(which, machine, files)
        new = store.with_suffix(".new")
        new.write_text(json.dumps({"key": key, "figures": {op: asdict(f) for op, f in found.items()}}, indent=1))
        new.replace(store)
    return results


def fingerprint(which: str, machine: Machine, files: Sequence[Path]) -> str:
    image = BUILD / "out" / KERNELS[which] / "arch/x86/boot/bzImage"
    key = hashlib.sha256()
    for path in (image, *files, ROOT / "lab" / "guest" / "bench.sh"):
        key.update(hashlib.sha256(path.read_bytes()).digest())
    key.update(repr((machine, qemu_version())).encode())
    return key.hexdigest()


def qemu_version() -> str:
    done = subprocess.run([vm.qemu(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\S+)", done.stdout)
    return found[1] if found else "unknown"


def kernel_release(which: str) -> str:
    return (BUILD / "out" / KERNELS[which] / "include/config/kernel.release").read_text().strip()


def compiler() -> str:
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
