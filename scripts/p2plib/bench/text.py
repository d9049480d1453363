# SPDX-License-Identifier: GPL-2.0-only
"""How many bytes of code and data the subsystem adds to a kernel, and what is left of it when it is off."""

import subprocess
from collections.abc import Iterable

from p2plib import BUILD, ROOT, Fail

# (on, off), as scripts/build has them; but for PCI_P2PDMA they are the same. No KUnit suites, no pci-p2pmem-stub.
CONFIGS = {"stock": ("stock", "stock-off"), "ours": ("plain", "p2pdma-off")}
# kind: types of symbols, as nm has them. Sections would not do: they end at a page, or at 2 MiB.
KINDS = {"text": "tTwW", "data": "rRdDbB"}


# Of stock and ours: with the subsystem "on" and "off", bytes by kind
Sizes = dict[str, dict[str, dict[str, int]]]


def kinds(lines: Iterable[str]) -> dict[str, int]:
    """{kind: bytes} of what nm -S prints."""
    found = dict.fromkeys(KINDS, 0)
    for line in lines:
        words = line.split()
        for kind, types in KINDS.items():
            if len(words) == 4 and words[2] in types:
                found[kind] += int(words[1], 16)
    if not all(found.values()):
        raise Fail("vmlinux has no symbols with sizes: build it again")
    return found


def of(config: str) -> dict[str, int]:
    vmlinux = BUILD / "out" / config / "vmlinux"
    if not vmlinux.exists():
        raise Fail(f"no {vmlinux.relative_to(ROOT)}: run 'make bench'")
    done = subprocess.run(["nm", "-S", vmlinux], capture_output=True, text=True, check=True)
    return kinds(done.stdout.splitlines())


def measure() -> Sizes:
    """{which: {"on": {kind: bytes}, "off": ...}}"""
    return {which: {"on": of(on), "off": of(off)} for which, (on, off) in CONFIGS.items()}


def table(found: Sizes) -> list[str]:
    lines = [f"{'bytes of the kernel':50} {'stock':>12} {'ours':>12} {'ours-stock':>11}"]
    for kind in KINDS:
        for text, value in (
            ("PCI_P2PDMA=n", lambda f: f["off"][kind]),
            ("=y", lambda f: f["on"][kind]),
            ("=y adds", lambda f: f["on"][kind] - f["off"][kind]),
        ):
            stock, ours = value(found["stock"]), value(found["ours"])
            lines.append(f"{kind + ', ' + text:50} {stock:12,} {ours:12,} {ours - stock:+11,}")
    return lines
