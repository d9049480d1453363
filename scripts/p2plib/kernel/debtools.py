# SPDX-License-Identifier: GPL-2.0-only
"""The package pci-p2pdma-tools: p2ptopo, nvmet-config.sh, and what restores a target at boot."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.common import fresh_folder, run, write_file

NAME = "pci-p2pdma-tools"
SOURCE = ROOT / "packaging" / NAME
SCRIPTS = ("postinst", "prerm", "postrm")
PAGES = ("pci-p2pdma.rst", "pci-p2pdma-nvmet.rst", "p2ptopo.rst")
CONTROL = """\
Package: {name}
Version: {version}
Architecture: amd64
Section: admin
Priority: optional
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}
Recommends: kmod, pciutils
Suggests: nvme-cli
Description: PCI peer-to-peer DMA: routes, and an NVMe target that uses them
 p2ptopo says which PCI devices reach each other's memory, on any machine, and
 why not. nvmet-config.sh sets up an NVMe over Fabrics target that has the data
 of commands in such memory, saves it, and restores it at boot.
"""


def maintainer() -> str:
    """As the kernel's packages have it."""
    user, host = os.environ.get("USER") or "root", os.uname().nodename
    return f"{os.environ.get('DEBFULLNAME') or user} <{os.environ.get('DEBEMAIL') or f'{user}@{host}'}>"


def zipped(source: Path, target: Path) -> None:
    """Without a name and a time in it"""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), mtime=0))


def installed(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def stage(root: Path) -> None:
    """All files of the package below ROOT."""
    made = [str(ROOT / "scripts/tools"), "install", f"DESTDIR={root}", "PREFIX=/usr"]
    if subprocess.run(made, stdout=subprocess.DEVNULL, check=False).returncode:
        raise Fail("deb: p2ptopo is not installed into its package, see above")
    run(["strip", "--strip-unneeded", root / "usr/sbin/p2ptopo"], "strip p2ptopo")
    page = root / "usr/share/man/man8/p2ptopo.8"
    zipped(page, page.with_suffix(".8.gz"))
    page.unlink()
    # Where the scripts of the tests are; it is not one of them.
    installed(
        ROOT / "tools/testing/selftests/pci-p2pdma/nvmet-config.sh", root / "usr/sbin/nvmet-config.sh", mode=0o755
    )
    installed(SOURCE / "nvmet-config.service", root / "lib/systemd/system/nvmet-config.service")
    doc = root / "usr/share/doc" / NAME
    installed(SOURCE / "copyright", doc / "copyright")
    for name in PAGES:
        zipped(ROOT / "Documentation/admin-guide" / name, doc / f"{name}.gz")


def depends(root: Path) -> str:
    """The libraries' packages; the program that knows wants to be where there is a source package."""
    write_file(root / "debian/control", f"Source: {NAME}\n\nPackage: {NAME}\nArchitecture: amd64\n")
    said = run(["dpkg-shlibdeps", "-O", "usr/sbin/p2ptopo"], "the libraries of p2ptopo", cwd=root).decode()
    shutil.rmtree(root / "debian")
    return said.strip().removeprefix("shlibs:Depends=")


def build(version: str) -> Path:
    """-> build/deb-tools/*.deb"""
    folder = BUILD / "deb-tools"
    root = fresh_folder(folder / NAME)
    stage(root)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) >> 10
    control = CONTROL.format(name=NAME, version=version, maintainer=maintainer(), size=size, depends=depends(root))
    write_file(root / "DEBIAN/control", control)
    for script in SCRIPTS:
        installed(SOURCE / script, root / "DEBIAN" / script, 0o755)
    package = folder / f"{NAME}_{version}_amd64.deb"
    for path in root.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    root.chmod(0o755)
    run(["dpkg-deb", "--build", "--root-owner-group", root, package], f"package {NAME}")
    shutil.rmtree(root)
    return package
