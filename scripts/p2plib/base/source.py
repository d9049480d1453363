# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source, tarball or folder, as a stream of files."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from collections.abc import Iterator
from typing import NoReturn

from p2plib import Fail
from p2plib.advice import no_command
from p2plib.base import strip

# A folder or tarball without these is part of a kernel at most.
WHOLE = ("Makefile", "block/bio.c", "drivers/pci/Makefile", "mm/gup.c")
_UNPACK = (
    (b"\xfd7zXZ\0", ["xz", "-dc"]),
    (b"\x1f\x8b", ["gzip", "-dc"]),
    (b"BZh", ["bzip2", "-dc"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dc"]),
)


# A file of it: its path, its mode as git has it, what is in it
File = tuple[str, str, bytes]


class Source:
    """path: tarball or folder; label: how messages and commits call it; key: what it depends on."""

    def __init__(self, path: Path | str, label: str | None = None) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise Fail(f"{path}: no such file or folder: set KERNEL_SRC= to a 6.12.y source")
        self.is_folder = self.path.is_dir()
        if not self.is_folder and not self.path.is_file():
            raise Fail(f"{path} is neither a tarball nor a folder: set KERNEL_SRC= to a 6.12.y source")
        if self.is_folder and ((self.path / ".config").exists() or (self.path / "include/config").exists()):
            raise Fail(f"{path} holds build products: run `make mrproper` there")
        self.label = label or f"Linux from {self.path.name}"
        self.key = f"{self.label} {self.path.resolve()} {self._stamp()}"

    def _stamp(self) -> str:
        """Changes when the source does; for a folder as far as git or the top Makefile tell."""
        file = self.path / "Makefile" if self.is_folder else self.path
        if not file.exists():
            raise not_whole(self.path, "Makefile")
        stamp = f"{file.stat().st_size} {file.stat().st_mtime_ns}"
        if (self.path / ".git").exists():
            head = subprocess.run(
                ["git", "-C", self.path, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
            )
            stamp += " " + head.stdout.strip()
        return stamp

    def check(self, series: str = "6.12") -> str:
        """The version, or a refusal: what a glance tells, before anything is made from it."""
        if self.is_folder:
            for path in WHOLE:
                if not (self.path / path).is_file():
                    raise not_whole(self.path, path)
        for path, _, data in self.entries():
            if path == "Makefile":
                return check_series(data.decode("utf-8", "replace"), self.path, series)
        raise not_whole(self.path, "Makefile")

    def entries(self) -> Iterator[File]:
        """(path, git mode, bytes) of each file, the same order each time."""
        return self._from_folder() if self.is_folder else self._from_tarball()

    def _from_folder(self) -> Iterator[File]:
        for folder, folders, names in os.walk(self.path, onerror=_raise):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
            for name in sorted(names + links):
                full = os.path.join(folder, name)
                path = os.path.relpath(full, self.path)
                if os.path.islink(full):
                    yield path, "120000", os.readlink(full).encode()
                else:
                    with open(full, "rb") as file:
                        mode = "100755" if os.fstat(file.fileno()).st_mode & 0o100 else "100644"
                        yield path, mode, file.read()

    def _from_tarball(self) -> Iterator[File]:
        with open(self.path, "rb") as file:
            magic = file.read(6)
        command = next((c for start, c in _UNPACK if magic.startswith(start)), ["cat"])
        if not shutil.which(command[0]):
            raise Fail(f"{self.path} cannot be unpacked: {no_command(command[0])}")
        try:
            # In a session of its own: ^C would end it first and look like a tarball cut short.
            with subprocess.Popen(
                command + [self.path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            ) as unpack:
                assert unpack.stdout
                try:
                    with tarfile.open(fileobj=unpack.stdout, mode="r|") as tar:
                        yield from _tar_entries(tar)
                    unpack.stdout.read()
                except BaseException:
                    unpack.kill()
                    raise
            if unpack.returncode:
                raise tarfile.ReadError
        except (tarfile.TarError, EOFError):
            raise Fail(f"{self.path} is not a readable tarball (cut short or corrupt): get it again") from None


def _tar_entries(tar: tarfile.TarFile) -> Iterator[File]:
    for member in tar:
        parts = [part for part in member.name.split("/") if part != "."]
        path = "/".join(parts[1:])  # the tarball's own top folder goes
        if not path or ".." in parts:
            continue
        if member.issym():
            yield path, "120000", member.linkname.encode()
        elif member.isfile():
            mode = "100755" if member.mode & 0o100 else "100644"
            content = tar.extractfile(member)
            assert content  # as it is a file
            yield path, mode, content.read()
        tar.members = []  # type: ignore[attr-defined]  # a stream need not remember 90,000 headers


def _raise(error: OSError) -> NoReturn:
    raise error


def not_whole(name: Path, path: str) -> Fail:
    return Fail(
        f"{name} is not a whole kernel source, it has no "
        f"{path if '/' in path else 'top ' + path}: set KERNEL_SRC= to a 6.12.y source"
    )


def check_series(makefile: str, name: Path, series: str = "6.12") -> str:
    """The version of the kernel whose top Makefile this is; refuse another than series.y."""
    version = strip.makefile_version(makefile)
    if "?" in version:
        raise Fail(
            f"{name} is no kernel source, its top Makefile names no version: set KERNEL_SRC= to a {series}.y source"
        )
    if not version.startswith(series + "."):
        raise Fail(f"{name} is Linux {version}, not {series}.y: set KERNEL_SRC= to a {series}.y source")
    return version
