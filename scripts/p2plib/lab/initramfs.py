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
from p2plib.arch import X86_64, Arch
from p2plib.lab import foreign

SELFTESTS = ROOT / "tools" / "testing" / "selftests" / "pci-p2pdma"
GUEST = ROOT / "lab" / "guest"
# What selftests include of the kernel's interface, as ours is in no header of the distribution
UAPI = ROOT / "include" / "uapi" / "linux" / "pci_p2pdma.h"
CFLAGS = [
    "-static",
    "-O2",
    "-std=gnu11",
    "-D_GNU_SOURCE=",  # as lib.mk has it
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-clobbered",  # by the harness
]
# What a tree has for its selftests: to compile, to install and to run ours with
FACILITIES = (
    "scripts/subarch.include",
    "tools/testing/selftests/Makefile",
    "tools/testing/selftests/kselftest.h",
    "tools/testing/selftests/kselftest_harness.h",
    "tools/testing/selftests/kselftest/ksft.py",
    "tools/testing/selftests/kselftest/ktap_helpers.sh",
    "tools/testing/selftests/kselftest/module.sh",
    "tools/testing/selftests/kselftest/prefix.pl",
    "tools/testing/selftests/kselftest/runner.sh",
    "tools/testing/selftests/lib.mk",
    "tools/testing/selftests/run_kselftest.sh",
)


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


def build(
    tree: Path,
    extras: Sequence[str] = (),
    files: Sequence[Path] = (),
    installed: bool = False,
    root: Path | None = None,
    home: Sequence[Path] = (),
    arch: Arch = X86_64,
) -> Path:
    """The path of an initramfs made of the sources as they are now. TREE lends what it has for selftests.

    EXTRAS are names of the host's programs, or of the same for ARCH; FILES are paths and go to the guest's /lib. With
    INSTALLED the guest has the selftests also as `make install` installs them, in /selftests. ROOT has folders for the
    guest's root. Those of HOME go to /root.
    """
    busybox = tool(arch, "busybox", "busybox-static")
    binaries = {name: tool(arch, name) for name in extras}
    facilities = [tree / path for path in FACILITIES]
    for missing in (path for path in facilities if not path.is_file()):
        raise Fail(f"{missing} is missing: --tree must name a kernel tree")
    sources = sorted(p for p in [*SELFTESTS.iterdir(), *GUEST.iterdir(), UAPI] if p.is_file())
    inputs = [*sources, *facilities, busybox, *binaries.values(), *files, Path(__file__), *home]
    folders = {path.name: path for path in sorted(root.iterdir())} if root else {}
    inputs += [path for top in folders.values() for path in sorted(top.rglob("*")) if path.is_file()]
    key = hashlib.sha256()
    for path in inputs:
        body = path.read_bytes()
        key.update(f"{path.name} {len(body)}\n".encode() + body)

    folder = BUILD / "initramfs"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [*extras, *(f"{f.parent.name}.{f.name}" for f in files), *(["installed"] if installed else []), *folders]
    parts += ["home"] if home else []
    parts += [arch.name] if arch != X86_64 else []
    name = "-".join(["initramfs", *parts])
    image = folder / f"{name}-{key.hexdigest()[:16]}.cpio"
    if image.exists():
        return image
    with tempfile.TemporaryDirectory(dir=folder) as work:
        lay_out(tree, Path(work))
        trees = {**folders, **({"selftests": install(Path(work), arch)} if installed else {})}
        # Where scripts in /p2p look for it, as the tree has it
        trees["kselftest"] = Path(work) / SELFTESTS.parent.relative_to(ROOT) / "kselftest"
        programs = compile_programs(Path(work), arch)
        new = Path(work) / "cpio"
        libraries = shared_libraries(arch, binaries.values())
        new.write_bytes(pack(busybox, programs, binaries, libraries, files, home, trees))
        for old in folder.glob("*.cpio"):
            if re.fullmatch(name + "-[0-9a-f]{16}.cpio", old.name):
                old.unlink(missing_ok=True)
        new.rename(image)
    return image


def lay_out(tree: Path, work: Path) -> None:
    """Our selftests where they are in the kernel tree, with what it has for them."""
    for path in FACILITIES:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / path, work / path)
    shutil.copytree(SELFTESTS, work / SELFTESTS.relative_to(ROOT))
    (work / UAPI.relative_to(ROOT)).parent.mkdir(parents=True)
    shutil.copy(UAPI, work / UAPI.relative_to(ROOT))


def install(work: Path, arch: Arch) -> Path:
    """As a distributor does it; but for -static, as the guest has no libraries."""
    into = work / "installed"
    folder = work / SELFTESTS.parent.relative_to(ROOT)
    command = ["make", "-C", str(folder), f"TARGETS={SELFTESTS.name}", "USERCFLAGS=-static -Werror", "FORCE_TARGETS=1"]
    command += [f"CROSS_COMPILE={arch.cross}"] if arch.cross else []
    done = subprocess.run([*command, "install", f"INSTALL_PATH={into}"], capture_output=True, text=True)
    if done.returncode:
        raise Fail(f"the selftests cannot be installed: correct their Makefile\n{done.stdout}{done.stderr}")
    return into


def compile_programs(work: Path, arch: Arch) -> list[Path]:
    """The selftests with what lab.h adds to them, and the lab's own programs, which stand beside them here."""
    source = work / SELFTESTS.relative_to(ROOT)
    for path in (*GUEST.glob("*.c"), *GUEST.glob("*.h")):
        shutil.copy(path, source)
    found = source / "find.o"

    def gcc(*argv: str) -> None:
        done = subprocess.run([arch.tool("gcc"), *CFLAGS, *argv], cwd=source, capture_output=True, text=True)
        if done.returncode:
            raise Fail(f"{argv[-1]} does not compile: correct it\n{done.stderr}")

    gcc("-c", "-o", found.name, "find.c")
    programs = []
    for c in sorted(source.glob("*.c")):
        if c.stem != found.stem:
            gcc("-include", "lab.h", "-o", c.stem, found.name, c.name)
            programs.append(c.with_suffix(""))
    return programs + sorted(source.glob("*.sh"))


def pack(
    busybox: Path,
    programs: Iterable[Path],
    binaries: Mapping[str, Path],
    libraries: Mapping[str, Path],
    files: Sequence[Path],
    home: Sequence[Path],
    trees: Mapping[str, Path],
) -> bytes:
    cpio = Cpio()
    # Before devtmpfs is there, init's own standard streams need a node.
    cpio.add("dev/console", 0o020600, dev=(5, 1))
    for folder in ("proc", "sys", "tmp", "mnt", "root"):
        cpio.add(folder, 0o040755)
    cpio.file("bin/busybox", busybox)
    for applet in applets(busybox):
        if applet != "busybox":
            cpio.link(f"bin/{applet}", "busybox")
    cpio.file("init", GUEST / "init")
    for script in sorted(GUEST.glob("*.sh")):
        cpio.file(f"p2p/{script.name}", script)
    for program in programs:
        cpio.file(f"p2p/{program.name}", program)
    for name, tree in trees.items():
        for path in sorted(p for p in tree.rglob("*") if p.is_file()):
            cpio.file(f"{name}/{path.relative_to(tree)}", path)
    for name, path in binaries.items():
        cpio.file(f"bin/{name}", path)
    for name, path in sorted(libraries.items()):
        cpio.file(name, path)
    for file in files:
        cpio.file(f"lib/{file.name}", file)
    for file in home:
        cpio.file(f"root/{file.name}", file)
    return cpio.finish()


def applets(busybox: Path) -> list[str]:
    """The names that it goes by: a table in it, as this machine cannot run another architecture's."""
    table = re.search(rb"\0(\[\0\[\[\0(?:[\w.-]+\0)+)\0", busybox.read_bytes())
    if not table:
        raise Fail(f"{busybox} has no table of applets: look at how this version keeps their names")
    return table[1].decode().split("\0")[:-1]


def shared_libraries(arch: Arch, binaries: Iterable[Path]) -> dict[str, Path]:
    """{name in the guest: file} of what the dynamic linker would load, and the linker itself."""
    if arch != X86_64:
        return foreign.libraries(arch, binaries)
    found: set[str] = set()
    for path in binaries:
        done = subprocess.run(["ldd", path], capture_output=True, text=True)
        found |= set(re.findall(r"(/\S+) \(0x", done.stdout))
    return {name.lstrip("/"): Path(name) for name in found}


def tool(arch: Arch, name: str, package: str | None = None) -> Path:
    if arch != X86_64:
        return foreign.tool(arch, name)
    path = shutil.which(name, path=f"{BUILD / 'tools'}:{os.environ['PATH']}")  # scripts/tools lays ours there
    if not path:
        raise Fail(no_command(name, package))
    return Path(path)
