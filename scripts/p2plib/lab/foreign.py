# SPDX-License-Identifier: GPL-2.0-only
"""Programs of another architecture's Debian, for guests of that architecture.

mmdebstrap unpacks the packages in build/root/ARCH, with what they depend on; nothing of them is run, and this machine's
own packages stay as they are.
"""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from p2plib import BUILD, Fail
from p2plib.arch import Arch
from p2plib.common import fresh_folder, locked, need_space, replace_folder, run, say, write_file

RELEASE = "bookworm"
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
# A folder for each of these, as most runs need only what is small: the guest's busybox, what p2ptopo is linked with
PACKAGES = {
    "busybox": ("busybox-static",),
    "tools": ("libjson-c-dev", "libpci-dev"),
    "programs": (
        "btrfs-progs",
        "dmsetup",
        "e2fsprogs",
        "fio",
        "iproute2",
        "mdadm",
        "mount",
        "nvme-cli",
        "pciutils",
        "xfsprogs",
    ),
}
BINARIES = ("bin", "sbin", "usr/bin", "usr/sbin")
LIBRARIES = ("lib", "usr/lib")


def root(arch: Arch, what: str) -> Path:
    """The folder with PACKAGES[WHAT], unpacked again when the list changes."""
    folder = BUILD / "root" / f"{arch.name}-{what}"
    wanted = " ".join(PACKAGES[what]) + "\n"
    stamp = folder / "packages"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent):
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return folder
        need_space(folder.parent, 1000)
        say(f"{arch.name}: unpacking {wanted.strip()} of Debian for it")
        new = fresh_folder(folder)
        run(
            [
                "mmdebstrap",
                "--quiet",
                *reaching(),
                "--variant=extract",
                f"--architectures={arch.debian}",
                f"--include={','.join(PACKAGES[what])}",
                RELEASE,
                new,
                *sources(),
            ],
            f"programs of {arch.name}",
        )
        write_file(new / "packages", wanted)
        replace_folder(new, folder)
    return folder


def sources() -> list[str]:
    """Where this machine has Debian's packages from; other archives may know nothing of the architecture."""
    found = []
    for place in map(Path, SOURCES):
        for file in sorted(place.iterdir()) if place.is_dir() else [place]:
            if file.suffix in (".list", ".sources") and re.search(rf" {RELEASE}(-\w+)? .*\bmain\b", words(file)):
                found.append(str(file))
    if not found:
        raise Fail(f"no {RELEASE} in {SOURCES[0]}*: add Debian 12's archive")
    return found


def reaching() -> list[str]:
    """This machine's settings for getting there."""
    said = run(["apt-config", "dump", "Acquire"], "apt's settings").decode()
    lines = re.findall(r"(?mi)^Acquire::(?:https?::|Check-|Retries).*$", said)
    return [f"--aptopt={line}" for line in lines]


def words(file: Path) -> str:
    """All that counts in it, in one line."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return " ".join(line for line in text.splitlines() if not line.startswith("#"))


def ours(arch: Arch) -> Path:
    """Where scripts/tools lays p2ptopo."""
    return BUILD / f"tools-{arch.name}"


def tool(arch: Arch, name: str) -> Path:
    """A program by its name."""
    if name.startswith("p2ptopo"):
        if not (path := ours(arch) / name).exists():
            raise Fail(f"no {os.path.relpath(path)}: run 'make tools{arch.word}'")
        return path
    folder = root(arch, "busybox" if name == "busybox" else "programs")
    for place in BINARIES:
        if (path := folder / place / name).exists():
            return path
    raise Fail(f"{name}: not there for {arch.name}: run this program on x86_64")


def libraries(arch: Arch, binaries: Iterable[Path]) -> dict[str, Path]:
    """{name in the guest: file} of what the dynamic linker would load, and the linker itself."""
    waiting = list(binaries)
    folders = {root(arch, "tools" if path.parent == ours(arch) else "programs") for path in waiting}
    known = {
        path.name: path
        for folder in sorted(folders)
        for place in LIBRARIES
        for path in sorted((folder / place).rglob("*.so*"), reverse=True)
        if path.exists()
    }
    found: dict[str, Path] = {}
    while waiting:
        for name in needed(waiting.pop()):
            if f"lib/{name}" not in found:
                if name not in known:
                    raise Fail(f"{name}: no such library for {arch.name}: remove build/root")
                found[f"lib/{name}"] = known[name]
                waiting.append(known[name])
    return found


def needed(path: Path) -> list[str]:
    said = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", said)
