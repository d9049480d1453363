# SPDX-License-Identifier: GPL-2.0-only
"""The kernel configuration that packages start from: CONFIG_FROM=."""

import gzip
import lzma
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from p2plib import Fail
from p2plib.base.fetch import Base

LAB = "lab"
RUNNING = "running"
LARGEST = 16 << 20  # bytes; Debian's have less than 1 MiB


@dataclass(frozen=True)
class Start:
    """A whole configuration, of a file, or the lab's, which is fragments."""

    given: str  # CONFIG_FROM=
    path: Path | None  # None is the lab's

    @classmethod
    def named(cls, given: str) -> "Start":
        """That of Debian's package if nothing is named."""
        if given == LAB:
            return cls(given, None)
        if given == RUNNING:
            return cls(given, running())
        if not given:
            return cls(given, Path(f"/usr/src/linux-config-{Base.read().series}/config.amd64_none_amd64.xz"))
        return cls(given, Path(given))

    @property
    def name(self) -> str:
        return f"CONFIG_FROM={self.given}" if self.given else str(self.path)

    def text(self) -> str:
        """What is in the file. A Fail if that is no whole configuration of such a kernel."""
        if not self.path:
            return ""
        if not self.given and not self.path.exists():
            raise Fail(f"no {self.path}: apt-get install {self.path.parent.name}, or name a file with CONFIG_FROM=")
        if not self.path.is_file():
            raise Fail(f"{self.name}: no such file: name a kernel's configuration, {LAB}, or {RUNNING}")
        text = unpacked(self.path).decode("utf-8", "replace")
        if not re.search(r"^CONFIG_X86_64=y$", text, re.M):
            raise Fail(f"{self.name}: not the whole configuration of a kernel for x86-64: name one, as /boot has them")
        return text


def running() -> Path:
    release = os.uname().release
    for path in (Path(f"/boot/config-{release}"), Path("/proc/config.gz")):
        if path.is_file():
            return path
    raise Fail(f"CONFIG_FROM={RUNNING}: no /boot/config-{release} and no /proc/config.gz: name a file")


def unpacked(path: Path) -> bytes:
    """As it is, or what is in it, as Debian's package and /proc have it."""
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        opened = lzma.open(file) if magic == b"\xfd7zXZ\0" else gzip.open(file) if magic[:2] == b"\x1f\x8b" else file
        try:
            return opened.read(LARGEST)
        except (lzma.LZMAError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Fail(f"{path}: cannot be unpacked ({error}): name another CONFIG_FROM=") from None


def options(text: str) -> dict[str, str]:
    """What is set, and to what."""
    return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.M))


def modules(text: str) -> int:
    return list(options(text).values()).count("m")
