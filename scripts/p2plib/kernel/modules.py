# SPDX-License-Identifier: GPL-2.0-only
"""The lab's kernel modules: lab/modules/ and the tree's software RDMA drivers with the patches there."""

import shutil
import subprocess
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.common import locked, run, say, write_file

SOURCES = ROOT / "lab" / "modules"
DRIVERS = BUILD / "tree" / "drivers" / "infiniband" / "sw"
PATCHED = ("rxe", "siw")


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
    out, folder = BUILD / "out" / config, BUILD / "modules" / config
    if not (out / "Module.symvers").is_file():
        raise Fail(f"no kernel in {out.relative_to(ROOT)}: run 'make build CONFIG={config}'")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        lay_out(folder)
        for target in (["modules_prepare"], ["modules", "--make", f"M={folder}"]):
            if subprocess.run([str(ROOT / "scripts" / "build"), config, *target], check=False).returncode:
                raise Fail("lab-modules: not built, see above")
    say("lab-modules: " + ", ".join(sorted(path.stem for path in folder.glob("*.ko"))))
