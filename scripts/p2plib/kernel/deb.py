# SPDX-License-Identifier: GPL-2.0-only
"""Kernel packages: build/tree with configs/deb.config on a whole configuration, by the kernel's own bindeb-pkg."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from p2plib import BUILD, Fail
from p2plib.advice import no_command
from p2plib.common import fresh_folder, replace_folder
from p2plib.kernel.build import Build, Config
from p2plib.kernel.debconfig import LAB, Start, modules, options

SUFFIX = "-p2pdma"
SUFFIX_FORM = r"-[a-z0-9][a-z0-9.+~-]{0,30}"  # the release of a kernel is part of the name of its package
# What the configuration of another build says of that build: its keys are on no other machine
FORGET = tuple(
    f"CONFIG_{name}" for name in ("BUILD_SALT", "MODULE_SIG_KEY", "SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS")
)
# Said before the first object is compiled, not after the last one
COMMANDS = {
    "KERNEL_BZIP2": "bzip2",
    "KERNEL_LZ4": "lz4",
    "KERNEL_LZMA": "xz",
    "KERNEL_LZO": "lzop",
    "KERNEL_XZ": "xz",
    "KERNEL_ZSTD": "zstd",
    "MODULE_COMPRESS_XZ": "xz",
    "MODULE_COMPRESS_ZSTD": "zstd",
    "MODULE_SIG": "openssl",
    "BUILTIN_MODULE_RANGES": "gawk",
}
# Measured without debug information, packages included
MIB, MIB_OF_MODULE = 1500, 1.5
# Others install themselves over what the distribution has
WANTED = re.compile(r"linux-(image|headers)-")


class Deb(Build):
    """The packages of one configuration."""

    def __init__(self, start: Start, suffix: str = SUFFIX, name: str = "") -> None:
        self.start, self.suffix = start, suffix
        self.text = start.text()
        super().__init__(name or ("deb-lab" if start.given == LAB else "deb"))
        # bindeb-pkg writes to the folder above that of the build.
        self.out = self.out / "kernel"
        self.log = self.out.with_suffix(".log")
        self.version = time.strftime("%Y%m%d%H%M", time.gmtime())  # what uname -v shows has 64 bytes
        self.folder = BUILD / self.name

    def known(self) -> Config:
        fragments = ("lab", "deb", "deb-lab") if self.start.given == LAB else ("deb",)
        return Config(fragments, ("bindeb-pkg",))

    def environment(self) -> dict[str, str]:
        """A kernel for people says when it was built, and by whom."""
        env = super().environment()
        for name in ("KBUILD_BUILD_USER", "KBUILD_BUILD_HOST", "KBUILD_BUILD_TIMESTAMP", "KBUILD_BUILD_VERSION"):
            del env[name]
        env.update({name: os.environ[name] for name in ("DEBFULLNAME", "DEBEMAIL") if name in os.environ})
        env.update(KDEB_PKGVERSION=self.package_version(), KDEB_CHANGELOG_DIST="bookworm")
        return env

    def package_version(self) -> str:
        """Each build is newer than the one before, as apt sees it."""
        words = dict(re.findall(r"^(\w+) = (\d*)$", (self.source / "Makefile").read_text(), re.M))
        return "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}-".format(**words) + self.version

    def need(self) -> int:
        return MIB + int(MIB_OF_MODULE * modules(self.text))

    # ---- the configuration ----

    def start_config(self, new: Path) -> None:
        if not self.text:
            super().start_config(new)
            return
        lines = [t for t in self.text.splitlines() if not t.startswith(tuple(f"{name}=" for name in FORGET))]
        new.write_text("\n".join(lines) + "\n")

    def wanted(self) -> dict[str, str | None]:
        """Where a module is asked for, what is built in does as well, and stays."""
        have = options(self.text)
        want = {n: "y" if value == "m" and have.get(n) == "y" else value for n, value in super().wanted().items()}
        return {**want, "CONFIG_LOCALVERSION": f'"{self.suffix}"'}

    def fingerprint(self) -> str:
        state = [super().fingerprint(), self.suffix, self.text, *FORGET]
        return hashlib.sha256("\0".join(state).encode()).hexdigest()

    def verify(self, want: Mapping[str, str | None], config: str) -> None:
        got = options(config)
        lost = [name for name, value in want.items() if got.get(name) not in (value, "y" if value == "m" else value)]
        if lost:
            name, more = lost[0], f", and {len(lost) - 1} more" if lost[1:] else ""
            raise Fail(
                f"deb: {self.start.name}: {name} is {got.get(name, 'n')} instead of {want[name] or 'n'}{more}: "
                f"{self.what_it_takes(name, got)}"
            )
        for symbol, tool in COMMANDS.items():
            if got.get(f"CONFIG_{symbol}") == "y" and not shutil.which(tool):
                raise Fail(f"deb: CONFIG_{symbol}=y: {no_command(tool)}")

    def what_it_takes(self, name: str, got: Mapping[str, str]) -> str:
        """What a Kconfig file says of an option that is not what it should be."""
        option = name.removeprefix("CONFIG_")
        found = subprocess.run(
            ["git", "grep", "-A20", "-E", f"^(menu)?config {option}$", "--", "*Kconfig*"],
            cwd=self.source,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        if not found:
            return "this kernel has no such option: choose another KERNEL_SRC="
        file = found.partition(":")[0]
        entry = re.split(r"^\S+[:-](?:menu)?config |^\S+-\s+help$", found, flags=re.M)[1]
        needs = re.findall(r"^\S+-\s+depends on (.*)$", entry, re.M)
        missing = [n for n in re.findall(r"\w+", " ".join(needs)) if f"CONFIG_{n}" not in got]
        if missing and name not in got:
            why = f"it depends on {' && '.join(needs)}, of which {' '.join(missing)} is not set"
        else:
            why = f"see {file} for what it depends on, and what selects it"
        return f"{why}: start from another CONFIG_FROM="

    # ---- the packages ----

    def run(self) -> None:
        for tool in ("dpkg-buildpackage", "dh", "depmod", "rsync", "cpio"):
            if not shutil.which(tool):
                raise Fail(no_command(tool))
        for old in self.out.parent.glob("*.deb"):
            old.unlink()
        super().run()

    def configure_only(self) -> Path:
        self.check()
        with self.lock():
            self.log.write_text("")
            self.configure()
        return self.out / ".config"

    def collect(self, *others: Path) -> list[Path]:
        """All that is to be installed, and nothing else, is in the folder then."""
        found = sorted(deb for deb in self.out.parent.glob("*.deb") if WANTED.match(deb.name))
        if not found:
            raise Fail(f"deb: no packages came of it: see {self.log}")
        part = fresh_folder(self.folder)
        for deb in (*found, *others):
            shutil.copy(deb, part)
        replace_folder(part, self.folder)
        return sorted(self.folder.glob("*.deb"))
