# SPDX-License-Identifier: GPL-2.0-only
"""Where the drives' DMA went, as QEMU's trace has it: the proof does not come from the code under test.

QEMU writes one line per data address that a drive resolves (pci_nvme_map_addr). Behind an IOMMU that address is an
IOVA; the translation that the IOMMU does for the access, later in the trace, says where it really went.

That says nothing of what the guest's CPUs did to the memory meanwhile: cpus.py counts that, in every phase. In a
watched phase QEMU also writes a line for each access to memory that is no RAM, a CMB among it, with the CPU that it
came from, or -1 if a device: a second witness, which is there under KVM, too. A line for each four bytes is dear: a
watched phase should be short.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from collections.abc import Mapping, Iterator
from pathlib import Path
from typing import Any

from p2plib.lab.cpus import Touched

EVENTS = ("pci_nvme_map_addr", "pci_nvme_map_addr_cmb")
CPU_EVENTS = ("memory_region_ops_read", "memory_region_ops_write")

MAP = re.compile(rb"pci_nvme_map_addr(?:_cmb)? addr 0x([0-9a-f]+) len (\d+)")
TRANSLATE = re.compile(rb"vtd_dmar_translate dev \S+ iova 0x([0-9a-f]+) -> gpa 0x([0-9a-f]+) mask 0x([0-9a-f]+)")
TRANSLATE_SMMU = re.compile(rb"smmuv3_translate_success \S+ sid=\S+ iova=0x([0-9a-f]+) translated=0x([0-9a-f]+)")
ACCESS = re.compile(rb"memory_region_ops_(read|write) cpu (-?\d+) mr \S+ addr 0x([0-9a-f]+) value \S+ size (\d+)")
PAGE = 4096
KEEP = 16 << 20


@dataclass
class Phase:
    """What the drives moved between two moments that the guest announced."""

    name: str
    begin: int
    end: int | None = None
    bars: Counter = field(default_factory=Counter)  # provider id -> bytes
    ram: int = 0
    events: Counter = field(default_factory=Counter)  # other events of the drives
    unknown: int = 0  # IOVAs of which no translation was seen
    watched: bool = False  # whether the accesses to BARs were to be seen:
    cpu_read: Counter = field(default_factory=Counter)  # provider id -> bytes
    cpu_written: Counter = field(default_factory=Counter)
    by_devices: Counter = field(default_factory=Counter)
    touched: dict[str, Touched] | None = None  # provider id -> what CPUs did to it; None: nobody could see that
    lost: int = 0  # accesses of CPUs that QEMU could not place

    @property
    def bar(self) -> int:
        return sum(self.bars.values())

    def as_dict(self) -> dict[str, Any]:
        watched = {"cpu read": dict(self.cpu_read), "cpu wrote": dict(self.cpu_written)} if self.watched else {}
        seen = {name: vars(touched) for name, touched in (self.touched or {}).items()}
        return {"bars": dict(self.bars), "ram": self.ram, "unknown": self.unknown, **watched, "cpus": seen}


def account(path: Path, phase: Phase, bars: Mapping[str, tuple[int, int]], iommu: bool = False) -> None:
    """Fill in PHASE from its part of the trace. BARS: {provider id: (first, last)}, bus addresses."""
    last = None
    waiting: dict[int, list[int]] = {}  # page of an IOVA -> lengths that wait for their translation
    for line in part_of(path, phase.begin, phase.end):
        if b"pci_nvme_map_addr" in line:
            found = MAP.search(line)
            if not found:
                phase.unknown += 1  # a line that cannot be read must not pass for no bytes
                continue
            address, length = int(found[1], 16), int(found[2])
            for start, part in split(address, length):
                if iommu:
                    waiting.setdefault(start // PAGE, []).append(part)
                else:
                    add(phase, bars, start, part)
        elif line.startswith(b"memory_region_ops_"):
            watch(phase, bars, line)
            continue
        elif line.startswith(b"pci_nvme_"):
            phase.events[line.split()[0].decode()] += 1
        # One line per access of four bytes: most repeat the one before.
        elif waiting and line != last and (translated := translation(line)):
            iova, gpa, mask = translated
            for page in [p for p in waiting if iova <= p * PAGE <= iova | mask]:
                for part in waiting.pop(page):
                    add(phase, bars, gpa + page * PAGE - iova, part)
        last = line
    phase.unknown += sum(sum(parts) for parts in waiting.values())


def translation(line: bytes) -> tuple[int, int, int] | None:
    """(first address of a block of IOVAs, where that is, the bits of an address that are within it)."""
    if found := TRANSLATE.search(line):
        iova, gpa, mask = (int(x, 16) for x in found.groups())
        return iova, gpa, mask
    if found := TRANSLATE_SMMU.search(line):
        # The SMMU's does not say how large the block is; a page at least.
        iova, gpa = (int(x, 16) // PAGE * PAGE for x in found.groups())
        return iova, gpa, PAGE - 1
    return None


def watch(phase: Phase, bars: Mapping[str, tuple[int, int]], line: bytes) -> None:
    """One access to memory that is no RAM."""
    found = ACCESS.match(line)
    if not found:
        phase.unknown += 1
        return
    what, cpu, address, size = found[1], int(found[2]), int(found[3], 16), int(found[4])
    for provider, (first, last) in bars.items():
        if first <= address <= last:
            counts = phase.by_devices if cpu < 0 else phase.cpu_read if what == b"read" else phase.cpu_written
            counts[provider] += size


def part_of(path: Path, begin: int, end: int | None) -> Iterator[bytes]:
    """The lines between two offsets, not all of them in memory."""
    with open(path, "rb") as trace:
        trace.seek(begin)
        for line in trace:
            begin += len(line)
            if end is not None and begin > end:
                return
            yield line


def cut(path: Path) -> None:
    """A translation per access makes a trace of gigabytes; who looks at it wants the beginning."""
    if os.stat(path).st_size > KEEP:
        os.truncate(path, KEEP)


def split(address: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a range at page boundaries: an IOMMU may put each page elsewhere."""
    while length:
        part = min(length, PAGE - address % PAGE)
        yield address, part
        address += part
        length -= part


def add(phase: Phase, bars: Mapping[str, tuple[int, int]], address: int, length: int) -> None:
    for provider, (first, last) in bars.items():
        if first <= address <= last:
            phase.bars[provider] += length
            return
    phase.ram += length
