# SPDX-License-Identifier: GPL-2.0-only
"""A shell in the lab's VM. TOPO= names the topology, CONFIG= the kernel."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from p2plib.lab import accel, console, drives, initramfs, programs, runner, topology
from p2plib.lab.sizes import DEMO_MIB
from p2plib.lab.vm import Vm, die_with_parent


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    topo = topology.load(os.environ.get("TOPO") or "same-switch")
    kernel = os.environ.get("KERNEL")
    # Only to find the image and its source, and to complain where there is none.
    run = runner.Run(
        topo, programs.get("demo"), config=os.environ.get("CONFIG") or "lab", kernel=Path(kernel) if kernel else None
    )
    initrd = initramfs.build(
        run.source, files=[module for module in runner.target_modules(run.image) if module.is_file()]
    )
    mode = accel.choose(run.image, initrd)
    print(f"{topo.name}: {topo.about}\n{topo.picture}\nIt boots, about ten seconds; Ctrl-A x ends the VM.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        vm = Vm(topo, run.image, initrd, ["shell"], Path(folder), mode)
        drives.fill(vm, DEMO_MIB)
        # No timeout: a human is at the other end.
        if not sys.stdin.isatty():
            return console.feed(vm.command(interactive=True, console=console.CONSOLE), sys.stdin.buffer)
        return subprocess.call(vm.command(interactive=True), preexec_fn=die_with_parent)
