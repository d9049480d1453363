# SPDX-License-Identifier: GPL-2.0-only
"""Getting the kernel source: the package that BASE names, another version of it, KERNEL_SRC."""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2plib import ROOT, Fail
from p2plib.advice import no_command
from p2plib.base.source import Source
from p2plib.common import need_space, run, say


@dataclass(frozen=True)
class Base:
    """The file BASE."""

    package: str
    series: str
    verified: tuple[str, ...]  # versions that were tried

    @classmethod
    def read(cls, root: Path = ROOT) -> "Base":
        values = {}
        for line in (root / "BASE").read_text(encoding="ascii").splitlines():
            if match := re.match(r"(\w+)=(.*)$", line):
                values[match[1]] = match[2].strip('"')
        missing = {"PACKAGE", "SERIES", "VERIFIED"} - set(values)
        if missing:
            raise Fail(f"BASE has no {', '.join(sorted(missing))}: restore it with git checkout")
        return cls(values["PACKAGE"], values["SERIES"], tuple(values["VERIFIED"].split()))

    @property
    def tarball(self) -> Path:
        return Path(f"/usr/src/{self.package}.tar.xz")


def _apt(args: Sequence[str], what: str, build: Path) -> None:
    """apt with its output in build/fetch.log."""
    log = build / "fetch.log"
    env = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
    with open(log, "ab") as out:
        try:
            done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, check=False)
        except FileNotFoundError:
            raise Fail(f"{what}: {no_command(args[0])}, or set KERNEL_SRC= to a 6.12.y source") from None
    if done.returncode:
        text = log.read_text(errors="replace")
        why = [line for line in text.splitlines() if line.startswith("E: ")]
        raise Fail(
            f"{what}: {args[0]} failed ({why[-1][3:] if why else 'no reason given'}): check network "
            f"and apt sources, or set KERNEL_SRC= (log: {log})"
        )


def install(base: Base, build: Path) -> None:
    """Bring the source package with apt."""
    if os.geteuid():
        raise Fail(
            f"{base.package} is not installed, and only root can: apt-get install {base.package}, or set KERNEL_SRC="
        )
    need_space("/usr/src", 500)
    build.mkdir(parents=True, exist_ok=True)
    say(f"installing {base.package} (150 MB)")
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", base.package]
    what = f"install {base.package}"
    try:
        _apt(command, what, build)
    except Fail:
        _apt(["apt-get", "update", "-q"], what, build)  # the lists may be old or not there yet
        _apt(command, what, build)
    if not base.tarball.exists():
        _apt(command + ["--reinstall"], what, build)  # installed, but its file is gone


def installed_version(base: Base) -> str:
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f=${Version}", base.package], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # the tarball is there, on something else than Debian
        return "of unknown version"
    return done.stdout.strip() or "of unknown version"


def source(base: Base, build: Path) -> Source:
    """The source to build from: KERNEL_SRC=, else the package, installed if need be."""
    given = os.environ.get("KERNEL_SRC")
    if given:
        return Source(given)
    if not base.tarball.exists():
        install(base, build)
    return Source(base.tarball, f"{base.package} {installed_version(base)}")


def offered(base: Base) -> list[str]:
    """The versions that the archive offers, newest first."""
    text = run(["apt-cache", "madison", base.package], "asking apt for versions").decode()
    versions = []
    for line in text.splitlines():
        version = line.split("|")[1].strip()
        if version not in versions:
            versions.append(version)
    if not versions:
        raise Fail(f"apt knows no {base.package}: run apt-get update, or check /etc/apt")
    return versions


def archived(base: Base, version: str, build: Path) -> Path:
    """A version of the archive, as tarball in build/download, kept there."""
    if not re.fullmatch(r"[\w.+~:-]+", version):
        raise Fail(f"{version} is no package version: see apt-cache madison {base.package}")
    folder = build / "download"
    tarball = folder / f"{base.package}_{version}.tar.xz"
    if tarball.exists():
        return tarball
    if version == installed_version(base) and base.tarball.exists():
        return base.tarball
    folder.mkdir(parents=True, exist_ok=True)
    need_space(folder, 500)
    say(f"downloading {base.package} {version}")
    part = folder / f".{version}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        run(["apt-get", "download", "-q", f"{base.package}={version}"], f"download of {version}", cwd=part)
        (deb,) = part.glob("*.deb")
        _tarball_of(deb, f"./usr/src/{base.package}.tar.xz", part / "tarball")
        (part / "tarball").rename(tarball)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tarball


def _tarball_of(deb: Path, member: str, target: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpack:
        assert unpack.stdout
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as tar, open(target, "wb") as out:
            for entry in tar:
                if entry.name == member and (content := tar.extractfile(entry)):
                    shutil.copyfileobj(content, out, 1 << 20)
        unpack.stdout.read()
    if unpack.returncode or not target.stat().st_size:
        raise Fail(f"{deb.name} is damaged: remove it and run again")
