# SPDX-License-Identifier: GPL-2.0-only
"""Where the drives' DMA went, as QEMU's trace has it: the proof does not come from the code under test.

QEMU writes one line per data address that a drive resolves (pci_nvme_map_addr). Behind an IOMMU that address is an
IOVA; the translation that the IOMMU does for the access, later in the trace, says where it really went.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field

EVENTS = ("pci_nvme_map_addr", "pci_nvme_map_addr_cmb")
IOMMU_EVENTS = ("vtd_dmar_translate",)

MAP = re.compile(rb"pci_nvme_map_addr(?:_cmb)? addr 0x([0-9a-f]+) len (\d+)")
TRANSLATE = re.compile(rb"vtd_dmar_translate dev \S+ iova 0x([0-9a-f]+) -> gpa 0x([0-9a-f]+) mask 0x([0-9a-f]+)")
PAGE = 4096
KEEP = 16 << 20


@dataclass
class Phase:
    """What the drives moved between two moments that the guest announced."""
    name: str
    begin: int
    end: int | None = None
    bars: Counter = field(default_factory=Counter)      # provider id -> bytes
    ram: int = 0
    events: Counter = field(default_factory=Counter)    # other events of the drives
    unknown: int = 0        # IOVAs of which no translation was seen

    @property
    def bar(self):
        return sum(self.bars.values())

    def as_dict(self):
        return {"bars": dict(self.bars), "ram": self.ram, "unknown": self.unknown}


def account(path, phase, bars, iommu=False):
    """Fill in PHASE from its part of the trace. BARS: {provider id: (first, last)}, bus addresses."""
    last = None
    waiting = {}            # page of an IOVA -> lengths that wait for their translation
    for line in part_of(path, phase.begin, phase.end):
        if b"pci_nvme_map_addr" in line:
            found = MAP.search(line)
            if not found:
                phase.unknown += 1      # a line that cannot be read must not pass for no bytes
                continue
            address, length = int(found[1], 16), int(found[2])
            for start, part in split(address, length):
                if iommu:
                    waiting.setdefault(start // PAGE, []).append(part)
                else:
                    add(phase, bars, start, part)
        elif line.startswith(b"pci_nvme_"):
            phase.events[line.split()[0].decode()] += 1
        # One line per access of four bytes: most repeat the one before.
        elif waiting and line != last and (found := TRANSLATE.search(line)):
            iova, gpa, mask = (int(x, 16) for x in found.groups())
            for page in [p for p in waiting if iova <= p * PAGE <= iova | mask]:
                for part in waiting.pop(page):
                    add(phase, bars, gpa + page * PAGE - iova, part)
        last = line
    phase.unknown += sum(sum(parts) for parts in waiting.values())


def part_of(path, begin, end):
    """The lines between two offsets, not all of them in memory."""
    with open(path, "rb") as trace:
        trace.seek(begin)
        for line in trace:
            begin += len(line)
            if end is not None and begin > end:
                return
            yield line


def cut(path):
    """A translation per access makes a trace of gigabytes; who looks at it wants the beginning."""
    if os.stat(path).st_size > KEEP:
        os.truncate(path, KEEP)


def split(address, length):
    """Cut a range at page boundaries: an IOMMU may put each page elsewhere."""
    while length:
        part = min(length, PAGE - address % PAGE)
        yield address, part
        address += part
        length -= part


def add(phase, bars, address, length):
    for provider, (first, last) in bars.items():
        if first <= address <= last:
            phase.bars[provider] += length
            return
    phase.ram += length
