# SPDX-License-Identifier: GPL-2.0-only
"""What the guest's CPUs load from and store to peer memory, byte by byte: lab/plugin/cpus.c in QEMU's TCG counts it.

It sees instructions, so also what no trace shows: accesses to a BAR that is RAM of the host. It does not see devices.
With KVM nobody translates the guest's code, and there are no such numbers.
"""

import hashlib
import mmap
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.advice import no_command

SOURCE = ROOT / "lab" / "plugin" / "cpus.c"
HEADER = SOURCE.with_name("qemu.h")
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden")
# struct control and struct range of cpus.c, in words
HEAD, RANGE, RANGES = 5, 9, 8
WANTED, ACTIVE, UNKNOWN, CARD, COUNT = range(HEAD)
PATIENCE = 30  # seconds until a CPU has woken up


@dataclass(frozen=True)
class Range:
    """Where peer memory is, as the plugin sees it."""

    first: int
    last: int
    io: bool  # a device's own memory


@dataclass(frozen=True)
class Touched:
    """Bytes of one provider's memory that instructions loaded and stored."""

    card_read: int
    read: int  # by all but a card's
    card_written: int
    written: int
    where: int  # of the last access by others: offset, and address of the instruction
    pc: int


def plugin() -> Path:
    """As a shared object; compiled once for each state of the source."""
    key = hashlib.sha256(SOURCE.read_bytes() + HEADER.read_bytes() + " ".join(CFLAGS).encode()).hexdigest()[:16]
    made = BUILD / "plugin" / f"cpus-{key}.so"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            new = Path(folder) / "cpus.so"
            try:
                done = subprocess.run(["gcc", *CFLAGS, "-o", new, SOURCE], capture_output=True, text=True, check=False)
            except FileNotFoundError as error:
                raise Fail(no_command("gcc")) from error
            if done.returncode:
                raise Fail(f"{SOURCE} does not compile:\n{done.stderr}")
            new.rename(made)
    return made


def ram_block(blocks: str, name: str) -> int:
    """Where RAM of the host begins in QEMU's own numbering, which is in what the plugin sees of it."""
    found = re.search(rf"^\s*\S*{re.escape(name)}\s+\S+ \S+\s+0x([0-9a-f]+)", blocks, re.M)
    if not found:
        raise Fail(f"QEMU has no RAM block {name}: look at 'info ramblock'")
    return int(found[1], 16)


class Cpus:
    """The file that a VM's plugin is told by, and tells by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        size = 8 * (HEAD + RANGE * RANGES)
        with open(path, "w+b") as file:
            file.truncate(size)
            self.words = memoryview(mmap.mmap(file.fileno(), size)).cast("Q")

    def arguments(self) -> list[str]:
        return ["-plugin", f"{plugin()},control={self.path}"]

    def begin(self, ranges: Mapping[str, Range], card: int) -> None:
        """Watch these; the first time it begins when a CPU has woken up, see wait()."""
        if len(ranges) > RANGES:
            raise Fail(f"{len(ranges)} ranges of peer memory to watch: lab/plugin/cpus.c has room for {RANGES}")
        self.names = list(ranges)
        self.words[COUNT] = 0
        for at, r in enumerate(ranges.values()):
            start = HEAD + RANGE * at
            for i, word in enumerate((r.first, r.last, int(r.io), *[0] * (RANGE - 3))):
                self.words[start + i] = word
        self.words[UNKNOWN] = 0
        self.words[CARD] = card
        self.words[COUNT] = len(ranges)
        self.words[WANTED] = 1

    @property
    def active(self) -> bool:
        return bool(self.words[ACTIVE])

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.active:
            if time.monotonic() > deadline:
                raise Fail(f"no CPU of the guest has woken up in {PATIENCE} s, so what they do is not seen")
            time.sleep(0.001)

    def end(self) -> tuple[dict[str, Touched], int]:
        """What has been seen since begin(), and how many accesses QEMU could not place."""
        seen = {}
        for at, name in enumerate(self.names):
            start = HEAD + RANGE * at + 3
            seen[name] = Touched(*self.words[start : start + RANGE - 3])
        self.words[WANTED] = 0
        return seen, self.words[UNKNOWN]
