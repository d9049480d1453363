# SPDX-License-Identifier: GPL-2.0-only
"""Copy drive to drive through a peer's BAR, then through RAM, and show what went where. TOPO= names a topology.

At the end there is what p2ptopo says of that machine, and its picture in build/p2ptopo-demo.svg.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.advice import os_error
from p2plib.lab import checks, programs, runner, topology
from p2plib.lab.runner import Result
from p2plib.lab.sizes import DEMO_MIB, MIB, WATCHED_KIB
from p2plib.lab.topology import Topology
from p2plib.lab.trace import Phase
from p2plib.lab.vm import Vm


PICTURE = BUILD / "p2ptopo-demo.svg"
WAYS = {"bar": "BAR", "ram": "RAM", "watched": "BAR"}


class View:
    """Tells what the guest does while it does it, and what the drives moved at the end."""

    def __init__(self, topo: Topology, config: str) -> None:
        self.topology, self.config = topo, config
        self.color = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
        self.digests: dict[str, str] = {}
        self.said: dict[str, list[str]] = {"matrix": [], "svg": []}  # by p2ptopo
        self.source, self.target = topo.clients[:2]
        self.provider = topo.providers[0]

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.color else text

    def row(self, label: str, text: str) -> None:
        print(f"{self.paint('1', label.ljust(9))} {text}", flush=True)

    def begin(self) -> None:
        print(self.paint("1", f"Topology {self.topology.name}: {self.topology.about}"))
        print(self.topology.picture)
        self.row("boot", f"{self.config} kernel in QEMU, about ten seconds ...")

    def line(self, vm: Vm, line: str) -> None:
        words = line.split()
        if words[:4] == ["#", "lab:", "phase", "begin"]:
            size = f"{WATCHED_KIB} KiB" if "watched" in words else f"{DEMO_MIB} MiB"
            self.row("copy", f"{size}  {self.path(words[4])}{' with each access traced' * ('watched' in words)} ...")
        elif words[:2] == ["#", "demo:"] and words[2] in self.said:
            self.said[words[2]].append(line.split(words[2], 1)[1][1:].rstrip())
        elif words[:2] == ["#", "demo:"]:
            handler = getattr(self, f"on_{words[2]}", None)
            if handler:
                handler(vm, *words[3:])

    def path(self, way: str) -> str:
        return f"{self.source} -> {WAYS[way]} -> {self.target}"

    def on_kernel(self, _vm: Vm, release: str) -> None:
        self.row("kernel", release)

    def on_registered(self, vm: Vm, size: str, available: str, published: str) -> None:
        first, last = vm.bars[self.provider]
        self.row(
            "registered",
            f"{int(size) / MIB:g} MiB by {drive(vm, vm.bdfs[self.provider])} at "
            f"{first:#x}-{last:#x}, {int(available) / MIB:.1f} MiB of it free"
            f"{'' if published == '1' else ', not published'}",
        )

    def on_route(self, vm: Vm, provider: str, client: str, *verdict: str) -> None:
        about = dict(word.split("=", 1) for word in verdict)
        if provider == client:  # its own memory: no peer is asked for
            return
        if {provider, client} <= set(vm.bdfs.values()):
            self.row(
                "verdict",
                f"{drive(vm, client)} may reach {drive(vm, provider)}: reads {about.get('read')}, "
                f"writes {about.get('write')}, distance {about.get('distance')}, "
                f"{about.get('reason')}",
            )

    def on_say(self, _vm: Vm, *words: str) -> None:
        self.row("", " ".join(words))

    def on_digest(self, _vm: Vm, way: str, name: str, digest: str = "(none)") -> None:
        equal = ""
        if way in self.digests:
            equal = self.paint("32", " equal") if self.digests[way] == digest else self.paint("31", " DIFFERENT")
        self.digests[way] = digest
        self.row("", f"sha256 of {name}: {digest}{equal}")

    def summary(self, phases: Sequence[Phase]) -> None:
        """The numbers are QEMU's, not the guest's."""
        if not phases:
            return
        print("\nBytes of data that the drives' DMA moved, from QEMU's trace of its addresses:")
        print(f"{'':24}{'in the BAR':>16}{'in RAM':>16}")
        for phase in phases[:2]:
            unknown = f"  and {phase.unknown:,} at unknown addresses" if phase.unknown else ""
            print(f"{self.path(phase.name):24}{phase.bar:>16,}{phase.ram:>16,}{unknown}")
        print("(each byte counts twice: written by one drive, read by the other)")
        for phase in phases[:1]:
            if phase.touched:
                seen = phase.touched[self.provider]
                print(
                    f"CPUs read {seen.read:,} bytes of the BAR meanwhile and wrote {seen.written:,}, as QEMU saw them"
                )
        for phase in phases[2:]:
            # A BAR that is RAM of the host has nothing between it and the CPUs.
            if self.provider in self.topology.drives:
                print(
                    f"All accesses to the BAR while {WATCHED_KIB} KiB were copied: "
                    f"{phase.by_devices.total():,} bytes by devices, {phase.cpu_read.total():,} read and "
                    f"{phase.cpu_written.total():,} written by CPUs"
                )

    def topology_seen(self) -> None:
        """Who reaches whom, as p2ptopo says it in the guest."""
        if not self.said["matrix"]:
            return
        print("\nWho reaches whose memory there (p2ptopo):")
        print("\n".join(self.said["matrix"]))
        PICTURE.write_text("\n".join(self.said["svg"]) + "\n", encoding="utf-8")
        print(f"a picture of it: {PICTURE.relative_to(ROOT)}")

    def end(self, result: Result) -> int:
        """The last line is the outcome."""
        if result.passed:
            print(f"\nkept in {result.folder.relative_to(ROOT)}")
            ram = next(p.ram for p in result.vm.phases if p.name == "bar")
            print(
                self.paint(
                    "1;32",
                    f"P2PDMA demo: PASS: {DEMO_MIB} MiB from {self.source} to {self.target} "
                    f"through the BAR of {self.provider}, {ram} data bytes in host RAM",
                )
            )
            return 0
        print()
        print(result.explain())
        more = f" (and {len(result.reasons) - 1} more above)" if len(result.reasons) > 1 else ""
        print(self.paint("1;31", f"P2PDMA demo: FAIL: {result.reasons[0]}{more}"))
        return 1


def drive(vm: Vm, bdf: str) -> str:
    names = {v: k for k, v in vm.bdfs.items()}
    return f"{names[bdf]} ({bdf})" if bdf in names else bdf


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell what can be told before there is a kernel")
    args = parser.parse_args(argv)
    topo = topology.load(os.environ.get("TOPO") or "same-switch")
    if checks.outcome(topo, topo.providers[0], *topo.clients[:2]) != "ok":
        raise Fail(f"topology {topo.name} has no route to demonstrate: choose another TOPO")
    if args.check:
        return 0
    kernel, config = os.environ.get("KERNEL"), os.environ.get("CONFIG") or "lab"
    view = View(topo, config)
    run = runner.Run(topo, programs.get("demo"), config, kernel=Path(kernel) if kernel else None, watch=view.line)
    view.begin()
    try:
        result = run.go()
    except Fail as error:
        print(f"P2PDMA demo: FAIL: {error}")
        return 1
    except OSError as error:
        print(f"P2PDMA demo: FAIL: {os_error(error)}")
        return 1
    except KeyboardInterrupt:
        print("\nP2PDMA demo: FAIL: interrupted")
        raise
    view.summary(result.vm.phases)
    view.topology_seen()
    return view.end(result)
