# SPDX-License-Identifier: GPL-2.0-only
"""Build one kernel: build/tree + configs/ -> build/out/CONFIG, its output in build/out/CONFIG.log."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from p2plib import BUILD, ROOT, Fail
from p2plib.advice import no_command, words_of_disk
from p2plib.arch import Arch, chosen
from p2plib.common import need_space, say
from p2plib.kernel.warned import Warned

# The callers stay as the base has them; what matters is that they compile against our header,
# so that only the objects that include it are built, not the drivers.
CALLERS = tuple(
    """
drivers/gpu/drm/amd/amdgpu/amdgpu_dma_buf.o drivers/gpu/drm/amd/amdgpu/amdgpu_device.o
drivers/gpu/drm/xe/xe_dma_buf.o drivers/accel/habanalabs/common/memory.o
drivers/infiniband/core/rw.o drivers/infiniband/core/umem.o
drivers/nvme/target/core.o drivers/nvme/target/configfs.o drivers/nvme/target/io-cmd-bdev.o
drivers/nvme/target/rdma.o
""".split()
)


@dataclass(frozen=True)
class Config:
    """What scripts/build knows by a name."""

    fragments: tuple[str, ...]  # of configs/; a later one wins; with "lab" goes the architecture's
    targets: tuple[str, ...]  # of the kernel's make
    stock: bool = False  # of the base as it came, which lacks symbols that the fragments name


IMAGE = ("IMAGE", "modules")  # the first stands for what the architecture calls it
CONFIGS = {
    "lab": Config(("lab",), IMAGE),
    "debug": Config(("lab", "debug"), IMAGE),
    "kcsan": Config(("lab", "kcsan"), IMAGE),
    "coverage": Config(("lab", "coverage"), IMAGE),
    "p2pdma-off": Config(("lab", "p2pdma-off"), ("vmlinux",)),
    "callers": Config(("callers",), CALLERS),
    # No kernel: what has tracepoints where every mapping passes, to be held beside those of lab.
    "traced": Config(("lab", "traced"), ("drivers/pci/p2pdma/map.o", "drivers/pci/p2pdma/memory.o")),
    "stock": Config(("lab",), IMAGE, stock=True),
    # The same, with what shows its faults.
    "fixes": Config(("lab", "fixes"), IMAGE, stock=True),
    # To be weighed beside p2pdma-off and stock.
    "plain": Config(("lab", "plain"), ("vmlinux",)),
    "stock-off": Config(("lab", "p2pdma-off"), ("vmlinux",), stock=True),
}

# Everything else in the environment (W, O, KCFLAGS ...) would change what is built.
KEEP = re.compile(r"(PATH|HOME|USER|TERM|TMPDIR|CCACHE_\w+)$")


def environment(arch: Arch) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if KEEP.match(k)}
    # The same input must give the same bytes, or ccache has nothing to find; and it should find
    # what a clone in another folder has compiled.
    env.update(
        LC_ALL="C",
        ARCH=arch.name,
        LOCALVERSION="",
        KBUILD_BUILD_USER="p2pdma",
        KBUILD_BUILD_HOST="lab",
        KBUILD_BUILD_VERSION="1",
        KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026",
        CCACHE_BASEDIR=str(ROOT),
        CCACHE_NOHASHDIR="1",
    )
    if arch.cross:
        env["CROSS_COMPILE"] = arch.cross
    return env


class Progress:
    """Follows the log of a running make: objects compiled, time gone by."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log, self.tty = name, log.open(errors="replace"), sys.stdout.isatty()
        self.start = self.shown = time.monotonic()
        self.objects = 0

    def seconds(self) -> int:
        return int(time.monotonic() - self.start)

    def text(self) -> str:
        minutes, seconds = divmod(self.seconds(), 60)
        return f"p2p: build {self.name}: {self.objects} objects, {minutes}:{seconds:02d}"

    def tick(self) -> None:
        self.objects += sum(line.startswith(("  CC  ", "  CC [M]  ", "  AS  ")) for line in self.log)
        if self.tty:
            print("\r" + self.text(), end="", flush=True)
        elif time.monotonic() - self.shown >= 20:
            self.shown = time.monotonic()
            print(self.text(), flush=True)

    def close(self) -> None:
        self.tick()
        self.log.close()
        if self.tty:
            print("\r" + " " * 60 + "\r", end="", flush=True)


@dataclass
class Build:
    """One build. All but the name of the configuration is for those who want something else than usual."""

    config: str
    targets: Sequence[str] = ()
    tree: Path | None = None
    out_name: str = ""  # under build/out
    variables: Sequence[str] = ()  # of the kernel's make, NAME=VALUE
    lenient: bool = False  # the tree may lack symbols that the fragments name
    arch: Arch = field(default_factory=chosen)
    stock: bool = field(init=False)
    source: Path = field(init=False)
    fragments: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        known = self.known()
        self.stock = known.stock
        self.lenient = self.lenient or known.stock
        self.targets = self.targets or [self.arch.target if t == "IMAGE" else t for t in known.targets]
        names = [n for name in known.fragments for n in ([name, self.arch.name] if name == "lab" else [name])]
        self.fragments = [ROOT / "configs" / f"{name}.config" for name in names]
        self.source = self.tree or (BUILD / "stock" / "linux" if known.stock else BUILD / "tree")
        self.name = self.arch.folder(self.out_name or self.config)
        self.out = BUILD / "out" / self.name
        self.log = BUILD / "out" / f"{self.name}.log"

    def known(self) -> Config:
        if self.config not in CONFIGS:
            raise Fail(f"no configuration '{self.config}': use one of {', '.join(CONFIGS)}")
        return CONFIGS[self.config]

    def environment(self) -> dict[str, str]:
        return environment(self.arch)

    def check(self) -> None:
        if not (self.source / "Kconfig").is_file():
            verb = "scripts/tree --stock" if self.stock else "make tree"
            raise Fail(f"no kernel in {self.source}: run {verb}")
        for f in self.fragments:
            if not f.is_file():
                raise Fail(f"no {f.relative_to(ROOT)}: restore it with git checkout")
        for tool in ("make", "gcc", self.arch.tool("gcc"), self.arch.tool("ld"), "flex", "bison", "bc"):
            if not shutil.which(tool):
                raise Fail(no_command(tool))
        self.out.mkdir(parents=True, exist_ok=True)
        need_space(self.out, self.need())

    def need(self) -> int:
        """MiB on the disk"""
        return 1000 if (self.out / "vmlinux").exists() or self.targets[0].endswith(".o") else 1500

    def lock(self) -> TextIO:
        fd = (BUILD / "out" / (self.name + ".lock")).open("w")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"build {self.name}: waiting for another one to end")
            fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def make(self, *args: str, config: str = ".config") -> Progress:
        """Run the kernel's make; its output goes to the log, progress to stdout."""
        ccache = "ccache " if shutil.which("ccache") else ""
        jobs = os.environ.get("J") or str((os.cpu_count() or 1) + 1)
        cmd = [
            "make",
            "-C",
            str(self.source),
            f"O={self.out}",
            "-j" + jobs,
            "CC=" + ccache + self.arch.tool("gcc"),
            "HOSTCC=" + ccache + "gcc",
            f"KCONFIG_CONFIG={self.out / config}",
            *args,
        ]
        with self.log.open("a") as log:
            progress = Progress(self.name, self.log)
            run = subprocess.Popen(
                cmd, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                while run.poll() is None:
                    progress.tick()
                    time.sleep(0.2)
            finally:
                if run.poll() is None:  # ^C, or SIGTERM
                    run.terminate()
                    run.wait()
                progress.close()
        if run.returncode:
            raise Fail(self.errors())
        return progress

    def errors(self) -> str:
        """The first errors of the log go to stderr, the summary is returned."""
        text = self.log.read_text(errors="replace").splitlines()
        bad = [t for t in text if re.search(r"error:|undefined reference|\*\*\* (?!\[)|ERROR:", t)]
        bad = bad or text[-5:]
        for line in bad[:5]:
            for tree in (str(self.source), os.path.relpath(self.source, self.out)):  # as ccache has it
                line = line.replace(f"{tree}/", "")
            print("    " + line, file=sys.stderr)
        if help_ := words_of_disk("\n".join(bad)):
            return f"build {self.name}: {help_}, and start it again"
        return f"build {self.name}: failed, {len(bad)} errors: see {self.log.relative_to(ROOT)}"

    def wanted(self) -> dict[str, str | None]:
        """symbol: value that the fragments ask for, None for "is not set"."""
        want = {}
        for f in self.fragments:
            for line in f.read_text().splitlines():
                if m := re.match(r"(CONFIG_\w+)=(.*)$", line):
                    want[m[1]] = m[2]
                elif m := re.match(r"# (CONFIG_\w+) is not set$", line):
                    want[m[1]] = None
                elif line and not line.startswith("#"):
                    raise Fail(f"{f.name}: '{line}' is no config line: correct it")
        return want

    def fingerprint(self) -> str:
        """What the configuration depends on: the fragments, and the tree's Kconfig files."""
        state = hashlib.sha256()
        for f in self.fragments:
            state.update(f.read_bytes())
        ls = subprocess.run(
            ["git", "-C", str(self.source), "ls-files", "*Kconfig*"], capture_output=True, text=True, check=False
        )
        for name in ["Makefile", *ls.stdout.splitlines()]:
            if (self.source / name).exists():
                state.update(f"{name} {(self.source / name).stat().st_mtime_ns}".encode())
        return state.hexdigest()

    def start_config(self, new: Path) -> None:
        """Write what the fragments go on top of."""
        self.make("tinyconfig", config=new.name)

    def configure(self) -> None:
        stamp, now = self.out / ".p2p-config", self.fingerprint()
        if (self.out / ".config").exists() and stamp.exists() and stamp.read_text() == now:
            return
        want = self.wanted()
        new = self.out / ".config.new"
        stamp.unlink(missing_ok=True)
        new.unlink(missing_ok=True)
        self.start_config(new)
        # Each symbol once: kconfig warns of a second value.
        rest = [t for t in new.read_text().splitlines() if not ((m := re.search(r"CONFIG_\w+", t)) and m[0] in want)]
        new.write_text("\n".join(rest + [f"{n}={v}" if v else f"# {n} is not set" for n, v in want.items()]) + "\n")
        self.make("olddefconfig", config=new.name)
        if not self.lenient:
            self.verify(want, new.read_text())
        # The old file stays when nothing changed, so that nothing is built again.
        old = self.out / ".config"
        if not old.exists() or old.read_text() != new.read_text():
            new.replace(old)
        stamp.write_text(now)

    def verify(self, want: Mapping[str, str | None], config: str) -> None:
        got = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", config, re.M))
        lost = [n for n, v in want.items() if got.get(n) != v]
        for n in lost:
            print(f"    {n}: wanted {want[n] or 'n'}, got {got.get(n, 'n')}", file=sys.stderr)
        if lost:
            raise Fail(
                f"config {self.name}: {len(lost)} symbols did not take: correct "
                + " ".join(str(f.relative_to(ROOT)) for f in self.fragments)
            )

    def run(self) -> None:
        self.check()
        with self.lock():
            warned = Warned(self.out, self.source)
            warned.take(self.log)  # of a build that was killed
            self.log.write_text("")
            try:
                self.configure()
                done = self.make(*self.variables, *self.targets)
            finally:
                warned.take(self.log)
        print(done.text() + ", up to date", flush=True)
