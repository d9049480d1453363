# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root: static busybox, our programs, and named extra binaries with their libraries, as one cpio.

Kept in build/initramfs under a hash of all that goes in, so that a run pays for it only after a change.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from collections.abc import Sequence, Mapping, Iterable

from p2plib import BUILD, ROOT, Fail
from p2plib.advice import no_command

SELFTESTS = ROOT / "tools" / "testing" / "selftests" / "pci-p2pdma"
GUEST = ROOT / "lab" / "guest"
CFLAGS = [
    "-static",
    "-O2",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
]


class Cpio:
    """A newc archive; see Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.inode = 0
        self.dirs: set[str] = set()

    def add(self, name: str, mode: int, body: bytes = b"", dev: tuple[int, int] = (0, 0)) -> None:
        parent = os.path.dirname(name)
        if parent and parent not in self.dirs:
            self.dirs.add(parent)
            self.add(parent, 0o040755)
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(body), 0, 0, *dev, len(name) + 1, 0]
        self.data += b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        self.pad()
        self.data += body
        self.pad()

    def pad(self) -> None:
        self.data += bytes(-len(self.data) % 4)

    def file(self, name: str, path: Path) -> None:
        self.add(name, 0o100755, Path(path).read_bytes())

    def link(self, name: str, target: str) -> None:
        self.add(name, 0o120777, target.encode())

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def build(tree: Path, extras: Sequence[str] = (), files: Sequence[Path] = ()) -> Path:
    """The path of an initramfs made of the sources as they are now. TREE lends kselftest's headers.

    EXTRAS are names of the host's programs, FILES are paths and go to the guest's /lib.
    """
    busybox = tool("busybox", "busybox-static")
    binaries = {name: tool(name) for name in extras}
    headers = [tree / "tools/testing/selftests" / h for h in ("kselftest.h", "kselftest_harness.h")]
    for header in headers:
        if not header.is_file():
            raise Fail(f"{header} is missing: --tree must name a kernel tree")
    sources = sorted(p for p in [*SELFTESTS.iterdir(), *GUEST.iterdir()] if p.is_file())
    inputs = [*sources, *headers, busybox, *binaries.values(), *files, Path(__file__)]
    key = hashlib.sha256()
    for path in inputs:
        body = path.read_bytes()
        key.update(f"{path.name} {len(body)}\n".encode() + body)

    folder = BUILD / "initramfs"
    folder.mkdir(parents=True, exist_ok=True)
    name = "-".join(["initramfs", *extras, *(f"{f.parent.name}.{f.name}" for f in files)])
    image = folder / f"{name}-{key.hexdigest()[:16]}.cpio"
    if image.exists():
        return image
    with tempfile.TemporaryDirectory(dir=folder) as work:
        programs = compile_programs(Path(work), headers)
        new = Path(work) / "cpio"
        new.write_bytes(pack(busybox, programs, binaries, files))
        for old in folder.glob("*.cpio"):
            if re.fullmatch(name + "-[0-9a-f]{16}.cpio", old.name):
                old.unlink(missing_ok=True)
        new.rename(image)
    return image


def compile_programs(work: Path, headers: Iterable[Path]) -> list[Path]:
    """Lay the sources out as in the kernel tree, so that ../kselftest.h is found, and compile each of them."""
    source = work / "selftests" / SELFTESTS.name
    shutil.copytree(SELFTESTS, source)
    for header in headers:
        shutil.copy(header, source.parent)
    programs = []
    for c in sorted(source.glob("*.c")):
        done = subprocess.run(["gcc", *CFLAGS, "-o", c.stem, c.name], cwd=source, capture_output=True, text=True)
        if done.returncode:
            raise Fail(f"{c.name} does not compile: correct it\n{done.stderr}")
        programs.append(c.with_suffix(""))
    return programs + sorted(source.glob("*.sh"))


def pack(busybox: Path, programs: Iterable[Path], binaries: Mapping[str, Path], files: Sequence[Path] = ()) -> bytes:
    cpio = Cpio()
    # Before devtmpfs is there, init's own standard streams need a node.
    cpio.add("dev/console", 0o020600, dev=(5, 1))
    for folder in ("proc", "sys", "tmp", "mnt", "root"):
        cpio.add(folder, 0o040755)
    cpio.file("bin/busybox", busybox)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            cpio.link(f"bin/{applet}", "busybox")
    cpio.file("init", GUEST / "init")
    for script in sorted(GUEST.glob("*.sh")):
        cpio.file(f"p2p/{script.name}", script)
    for program in programs:
        cpio.file(f"p2p/{program.name}", program)
    libraries: set[str] = set()
    for name, path in binaries.items():
        cpio.file(f"bin/{name}", path)
        libraries |= shared_libraries(path)
    for library in sorted(libraries):
        cpio.file(library.lstrip("/"), Path(library))
    for file in files:
        cpio.file(f"lib/{file.name}", file)
    return cpio.finish()


def shared_libraries(path: Path) -> set[str]:
    """What the dynamic linker would load, and the linker itself."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True)
    return set(re.findall(r"(/\S+) \(0x", done.stdout))


def tool(name: str, package: str | None = None) -> Path:
    path = shutil.which(name, path=f"{BUILD / 'tools'}:{os.environ['PATH']}")  # scripts/tools lays ours there
    if not path:
        raise Fail(no_command(name, package))
    return Path(path)
