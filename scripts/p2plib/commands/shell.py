# SPDX-License-Identifier: GPL-2.0-only
"""A shell in the lab's VM. TOPO= names the topology, CONFIG= the kernel, FILES= what goes to the guest's /root.

Commands may be piped into it: that ends after TIMEOUT= seconds, 600 if nothing is said.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from p2plib import Fail
from p2plib.common import say
from p2plib.kernel import modules
from p2plib.lab import accel, console, drives, initramfs, programs, runner, topology
from p2plib.lab.console import Watchdog
from p2plib.lab.sizes import DEMO_MIB
from p2plib.lab.vm import Vm

BOOT = 120  # seconds, until there is a shell
LIMIT = 600  # for commands that are piped into it


def brought(config: str) -> list[Path]:
    """FILES=, and what `make module` has built; no two of a name."""
    files = [Path(name) for name in (os.environ.get("FILES") or "").split()]
    for file in files:
        if not file.is_file():
            raise Fail(f"FILES: no file {file}: name files, with spaces between them")
    names = [file.name for file in files]
    for name in names:
        if names.count(name) > 1:
            raise Fail(f"FILES: {name} is there twice, and all go to /root: give them different names")
    return [*files, *(module for module in modules.own(config) if module.name not in names)]


def seconds() -> float:
    given = os.environ.get("TIMEOUT") or str(LIMIT)
    if not given.isdecimal() or not int(given):
        raise Fail(f"TIMEOUT={given}: use a number of seconds, such as {LIMIT}")
    return int(given)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only look at the variables")
    args = parser.parse_args(argv)
    config = os.environ.get("CONFIG") or "lab"
    home, limit = brought(config), seconds()
    if args.check:
        return 0
    topo = topology.load(os.environ.get("TOPO") or "same-switch")
    kernel = os.environ.get("KERNEL")
    # Only to find the image and its source, and to complain where there is none.
    run = runner.Run(topo, programs.get("demo"), config=config, kernel=Path(kernel) if kernel else None)
    target = [module for module in runner.target_modules(run.image) if module.is_file()]
    initrd = initramfs.build(run.source, files=target, home=home, arch=topo.arch)
    mode = accel.choose(run.image, initrd, topo.arch)
    print(f"{topo.name}: {topo.about}\n{topo.picture}\nIt boots, about ten seconds; Ctrl-A x ends the VM.", flush=True)
    if home:
        print(f"In /root: {', '.join(file.name for file in home)}", flush=True)
    boot = BOOT * runner.SLOWER.get(config, 1)

    def attempt() -> tuple[Watchdog, str]:
        with tempfile.TemporaryDirectory() as folder:
            vm, log = Vm(topo, run.image, initrd, ["shell"], Path(folder), mode), Path(folder) / "console.log"
            drives.fill(vm, DEMO_MIB)
            terminal = sys.stdin.isatty()
            command = vm.command(interactive=True, console=console.arguments(log, terminal))
            if terminal:
                dog = console.attend(command, log, boot)
            else:
                dog = console.feed(command, sys.stdin.buffer, log, boot, limit)
            return dog, console.said(log).decode(errors="replace")

    return status(topo.name, attempt)


def status(name: str, attempt: Callable[[], tuple[Watchdog, str]]) -> int:
    """What came of a session; one that cannot be helped is tried once more, as those of scripts/run are."""
    dog, text = attempt()
    if not dog.booted and not dog.reason and (why := runner.emulation_died(dog.qemu, text)):
        say(f"{name}: {why}: once more")
        dog, text = attempt()
    if dog.reason:
        more = "TIMEOUT= gives it more" if dog.booted else "see above what it says"
        raise Fail(f"{name}: {dog.reason}, and was ended: {more}")
    if not dog.booted:
        raise Fail(f"{name}: the guest ended before it had a shell: see above what it says")
    return dog.qemu.returncode
