# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules beside a kernel: those of lab/modules/, with the tree's software RDMA drivers, and a user's own."""

import shutil
import subprocess
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.arch import chosen
from p2plib.common import locked, run, say, write_file

SOURCES = ROOT / "lab" / "modules"
DRIVERS = BUILD / "tree" / "drivers" / "infiniband" / "sw"
PATCHED = ("rxe", "siw")
OWN = BUILD / "own"  # a folder for each kernel, in it one for each module of a user's
RECIPES = ("Kbuild", "Makefile")


def same(path: Path, data: bytes) -> bool:
    return path.exists() and path.read_bytes() == data


def lay_out(folder: Path) -> None:
    """The sources in FOLDER; what is as it was keeps its time stamp, so that nothing is compiled again."""
    part = folder / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in PATCHED:
        shutil.copytree(
            DRIVERS / name, part / name, ignore=lambda _, names: [n for n in names if n[-2:] not in (".c", ".h")]
        )
        run(
            [
                "patch",
                "-d",
                str(part),
                "-p1",
                "-s",
                "-F0",
                "--no-backup-if-mismatch",
                "-i",
                str(SOURCES / (name + ".patch")),
            ],
            f"the patch to {name}",
        )
    files = {path.relative_to(part): path.read_bytes() for path in part.rglob("*.[ch]")}
    files |= {
        path.relative_to(SOURCES): path.read_bytes()
        for path in SOURCES.iterdir()
        if path.suffix in (".c", ".h", "") and path.is_file()
    }
    shutil.rmtree(part)
    for path, data in files.items():
        if not same(folder / path, data):
            write_file(folder / path, data)


def build(config: str) -> None:
    """Beside the kernel build/out/CONFIG, which is left as it is; -> build/modules/CONFIG."""
    folder = BUILD / "modules" / chosen().folder(config)
    need_kernel(config)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        lay_out(folder)
        make(config, folder, "lab-modules")
    say("lab-modules: " + ", ".join(sorted(path.stem for path in folder.glob("*.ko"))))


def need_kernel(config: str) -> None:
    out = BUILD / "out" / chosen().folder(config)
    if not (out / "Module.symvers").is_file():
        raise Fail(f"no kernel in {out.relative_to(ROOT)}: run 'make build CONFIG={config}{chosen().word}'")


def make(config: str, folder: Path, what: str) -> None:
    for target in (["modules_prepare"], ["modules", "--make", f"M={folder}"]):
        if subprocess.run([str(ROOT / "scripts" / "build"), config, *target], check=False).returncode:
            raise Fail(f"{what}: not built, see above")


def check_own(source: Path) -> None:
    """Is there a module's source in this folder?"""
    if not source.is_dir():
        raise Fail(f"M={source}: no such folder: name that of your module's source")
    if not any((source / name).is_file() for name in RECIPES):
        raise Fail(f"M={source}: has no Kbuild and no Makefile: write 'obj-m := NAME.o' to one, for a NAME.c")
    if ROOT / "build" in [source.resolve(), *source.resolve().parents]:
        raise Fail(f"M={source}: what is in build/ goes with 'make clean': keep your source elsewhere")


def build_own(config: str, source: Path) -> list[Path]:
    """Build a copy of it, so that the source stays as it is; the modules, which a shell's guest has from now on."""
    check_own(source)
    need_kernel(config)
    folder = OWN / chosen().folder(config) / source.resolve().name
    with locked(folder.parent):
        shutil.rmtree(folder, ignore_errors=True)
        # Of a build in place: what is in its way here
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.o", "*.ko", "*.mod", "*.mod.c", ".*", "*.cmd"))
        make(config, folder, "module")
    built = sorted(folder.rglob("*.ko"))
    if not built:
        raise Fail(f"M={source}: nothing came of it: write 'obj-m := NAME.o' to its Kbuild or Makefile, for a NAME.c")
    return built


def own(config: str) -> list[Path]:
    """What was built of users' own modules for this kernel."""
    return sorted((OWN / chosen().folder(config)).glob("*/**/*.ko"))
