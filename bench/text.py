# SPDX-License-Identifier: GPL-2.0-only
"""How many bytes of code and data the subsystem adds to a kernel, and what is left of it when it is off."""

import re
import subprocess

from bench import ROOT, BenchError

# (on, off), as scripts/build has them; but for PCI_P2PDMA they are the same. No KUnit suites, no pci-p2pdma-lend.
CONFIGS = {"stock": ("stock", "stock-off"), "ours": ("plain", "p2pdma-off")}
# kind: sections. What is thrown away after the boot counts, too: it is in the image.
KINDS = {"text": (".text", ".init.text", ".exit.text"),
         "rodata": (".rodata",),
         "data": (".data", ".data..percpu", ".init.data", ".bss")}


def sections(lines):
    """{section: bytes} of what size -A prints."""
    return {found[1]: int(found[2]) for line in lines if (found := re.match(r"(\.\S+)\s+(\d+)\s", line))}


def kinds(found):
    missing = [name for names in KINDS.values() for name in names if name not in found]
    if missing:
        raise BenchError(f"vmlinux has no {', '.join(missing)}: is it a kernel for this machine?")
    return {kind: sum(found[name] for name in names) for kind, names in KINDS.items()}


def of(config):
    vmlinux = ROOT / "build" / "out" / config / "vmlinux"
    if not vmlinux.exists():
        raise BenchError(f"no {vmlinux.relative_to(ROOT)}: run 'make bench'")
    done = subprocess.run(["size", "-A", vmlinux], capture_output=True, text=True, check=True)
    return kinds(sections(done.stdout.splitlines()))


def measure():
    """{which: {"on": {kind: bytes}, "off": ...}}"""
    return {which: {"on": of(on), "off": of(off)} for which, (on, off) in CONFIGS.items()}


def table(found):
    lines = [f"{'bytes of the kernel':50} {'stock':>12} {'ours':>12} {'ours-stock':>11}"]
    for kind in KINDS:
        for text, value in (("PCI_P2PDMA=n", lambda f: f["off"][kind]), ("=y", lambda f: f["on"][kind]),
                            ("=y adds", lambda f: f["on"][kind] - f["off"][kind])):
            stock, ours = value(found["stock"]), value(found["ours"])
            lines.append(f"{kind + ', ' + text:50} {stock:12,} {ours:12,} {ours - stock:+11,}")
    return lines
