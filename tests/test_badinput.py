# SPDX-License-Identifier: GPL-2.0-only
"""Bad input and bad luck: one line that helps, and nothing that the next run stumbles over."""

import errno
import os
import pwd
import re
import signal
import subprocess
import tarfile
import time

import pytest

from minikernel import IDENTITY, KERNEL, MiniProject, make_tarball, write
from p2plib import ROOT, advice
from p2plib.base import fetch


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """A base with enough in it that its import takes a moment."""
    folder = tmp_path_factory.mktemp("newer")
    for number in range(400):
        write(folder / "linux/lib" / f"f{number}.c", os.urandom(3000).hex())
    for name, text in KERNEL.items():
        write(folder / "linux" / name, text)
    with tarfile.open(folder / "newer.tar", "w") as tar:
        tar.add(folder / "linux", "linux")
    return folder / "newer.tar"


def make(*argv, **env):
    """make VERB as a user types it; nothing of this run's own environment that would change it."""
    ours = ("ARCH", "T", "TOPO", "ACCEL", "CONFIG", "KERNEL", "J", "M", "FILES", "TIMEOUT", "MAKEFLAGS", "MAKELEVEL")
    clean = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        ["make", *argv], cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, check=False, timeout=60
    )


# A kernel source that is none ------------------------------------------------------------------


def refused_sources(folder):
    """(KERNEL_SRC, what must be said, whether a glance tells)."""

    def tarball(name, **files):
        changed = {key.replace("_", "/"): text for key, text in files.items()}
        return make_tarball(folder / (name + ".tar.xz"), {**KERNEL, **changed})

    yield tarball("old", Makefile="VERSION = 6\nPATCHLEVEL = 6\nSUBLEVEL = 1\n"), "Linux 6.6.1", True
    yield tarball("no", Makefile="all:\n"), "is no kernel source", True
    yield tarball("rule", **{"mm_gup.c": "int gup;\n"}), "rule mini-gup", False
    write(folder / "bare/Makefile", KERNEL["Makefile"])
    yield folder / "bare", "is not a whole kernel source, it has no block/bio.c", True
    part = {name: text for name, text in KERNEL.items() if name != "mm/gup.c"}
    yield make_tarball(folder / "part.tar.xz", part), "is not a whole kernel source", False
    whole = tarball("cut").read_bytes()
    (folder / "cut.tar.xz").write_bytes(whole[:-60])
    yield folder / "cut.tar.xz", "not a readable tarball", False
    (folder / "text").write_text("no tarball\n")
    yield folder / "text", "not a readable tarball", True


def test_refused_source_costs_nothing(made, tmp_path):
    """The base that is there stays, and is not imported again."""
    state, files = (made.tree / ".git/p2p-state").read_bytes(), made.files()
    for source, words, glance in refused_sources(tmp_path):
        done = made.run("scripts/tree", KERNEL_SRC=str(source))
        assert done.returncode == 1 and words in done.stderr, (source, done.stderr)
        assert len(done.stderr.splitlines()) == 1
        assert "stripping" not in done.stdout or not glance, source
        assert (made.tree / ".git/p2p-state").read_bytes() == state, source
        assert made.git("for-each-ref", "refs/import") == ""
        assert not list(made.tree.glob(".git/objects/pack/tmp_*"))
        assert not list(made.tree.glob(".git/fast_import_crash_*"))
    assert "nothing to do" in made.ok("scripts/tree")
    assert made.files() == files


@pytest.mark.may_skip("only root can be somebody else")
def test_unreadable_source(tmp_path):
    """A folder that cannot be read is not taken for an empty one."""
    if os.geteuid():
        pytest.skip("not root")
    for name, text in KERNEL.items():
        write(tmp_path / "linux" / name, text)
    (tmp_path / "linux/mm").chmod(0)
    tmp_path.chmod(0o755)
    done = as_nobody(f"from p2plib.base.source import Source\nlist(Source('{tmp_path}/linux').entries())", tmp_path)
    assert "Permission denied" in done and "/linux/mm" in done


def as_nobody(code, folder):
    """What python says to code when it is not root."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path.name.startswith("pytest"):
            path.chmod(0o755)
    uid = pwd.getpwnam("nobody").pw_uid
    # What needs files that only root may read is imported before.
    first = "import os, sys\nsys.path.insert(0, sys.argv[1])\nimport p2plib.base.source, p2plib.guard, pwd, ctypes\n"
    become = f"os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"
    return subprocess.run(
        ["/usr/bin/python3", "-B", "-c", first + become + code, ROOT / "scripts"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stderr


# An import cut short ---------------------------------------------------------------------------


def cut_short(project, source, sig, seconds):
    """Send a signal to all of a run, as a terminal does; its status and what it said."""
    env = {**os.environ, **IDENTITY, "KERNEL_SRC": str(source)}
    env.pop("FORCE", None)
    with subprocess.Popen(
        [project.root / "scripts/tree"],
        env=env,
        start_new_session=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        time.sleep(seconds)
        try:
            os.killpg(run.pid, sig)
        except ProcessLookupError:
            pass
        said = run.communicate(timeout=60)[1]
    return run.returncode, said


@pytest.mark.parametrize("sig", (signal.SIGINT, signal.SIGKILL), ids=("int", "kill"))
def test_import_cut_short(made, newer, sig):
    """Whatever was under way, the old source and the new one both work afterwards."""
    want, hits = made.git("rev-parse", "p2pdma"), 0
    for step in range(24):
        # On a busy machine nothing has begun so soon
        if step >= 6 and hits:
            break
        status, said = cut_short(made, newer, sig, 0.15 + 0.08 * step)
        if sig == signal.SIGINT and status == 130:
            hits += 1
            assert said == "p2p: interrupted: run it again, it starts where it can\n"
        hits += status == -signal.SIGKILL
        made.ok("scripts/tree")
        assert made.git("rev-parse", "p2pdma") == want
        made.files()
    assert hits, "every run was over before the signal"
    made.ok("scripts/tree", KERNEL_SRC=str(newer))
    assert (made.tree / "lib/f399.c").exists()
    assert not list(made.tree.glob(".git/objects/pack/tmp_*"))


def test_half_a_checkout_is_taken_back(made, tmp_path):
    """Files that only the other base has, written before the end came: they are nobody's edits."""
    other = make_tarball(tmp_path / "other.tar.xz", {**KERNEL, "lib/new.c": "int new;\n"})
    made.ok("scripts/tree", KERNEL_SRC=str(other))
    half, state = made.git("rev-parse", "p2pdma"), made.tree / ".git/p2p-state"
    made.ok("scripts/tree")
    state.write_text(state.read_text().replace('"switching": ""', f'"switching": "{half}"'))
    write(made.tree / ".git/index.target", half)
    write(made.tree / "lib/new.c", "int new;\n")
    made.ok("scripts/tree")
    assert not (made.tree / "lib/new.c").exists()
    made.ok("scripts/tree", "--check")
    made.files()


@pytest.mark.may_skip("only who may mount can have a small disk")
def test_disk_full(tmp_path, newer):
    """At whatever point: one line that says so; with room again the next run just works."""
    mini = MiniProject(tmp_path)
    tree = mini.root / "scripts/p2plib/compose/tree.py"
    tree.write_text(re.sub(r"(?m)^TREE_MIB = .*$", "TREE_MIB = 0", tree.read_text()))
    build = mini.root / "build"
    build.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "small", build], check=False, capture_output=True
    ).returncode:
        pytest.skip("cannot mount")
    try:
        refused = 0
        for size in range(200, 20000, 500):
            subprocess.run(["mount", "-o", f"remount,size={size}k", build], check=True)
            done = mini.run("scripts/tree", KERNEL_SRC=str(newer))
            if not done.returncode:
                break
            refused += 1
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert re.search("disk is full|No space left", done.stderr), (size, done.stderr)
        assert refused > 2 and not done.returncode
        assert (mini.tree / "lib/f399.c").exists()
        mini.ok("scripts/tree", "--check", KERNEL_SRC=str(newer))
    finally:
        subprocess.run(["umount", "-l", build], check=True)


# Refused in a second ---------------------------------------------------------------------------

TYPOS = (
    (("demo", "TOPO=same-swich"), "TOPO=same-swich: use one of .*same-switch"),
    (("demo", "TOPO=../same-switch"), "use one of"),
    (("demo", "TOPO=unknown-root-complex"), "no route to demonstrate"),
    (("demo", "ACCEL=fast"), "ACCEL=fast: use one of tcg, kvm, auto"),
    (("demo", "KERNEL=/nowhere"), "KERNEL=/nowhere: no such file"),
    (("demo", "KERNEL=/etc/passwd"), "KERNEL=/etc/passwd: not a bzImage"),
    (("demo", "ARCH=arm"), "ARCH=arm: use one of x86_64, arm64"),
    (("tree", "ARCH=riscv"), "ARCH=riscv: use one of x86_64, arm64"),
    (("deb", "ARCH=arm64"), "ARCH=arm64: deb knows x86_64 only"),
    (("test-all", "ARCH=arm64"), "ARCH=arm64: test-all knows x86_64 only"),
    (("demo", "ARCH=arm64", "ACCEL=kvm"), "ACCEL=kvm: this machine's processors are not arm64: use ACCEL=tcg"),
    (("demo", "ARCH=arm64", "KERNEL=/etc/passwd"), "KERNEL=/etc/passwd: not an Image of arm64"),
    (("demo", "ARCH=arm64", "TOPO=q35-root-bus"), "topology q35-root-bus is not there on arm64: choose one of"),
    (("test", "ARCH=arm64", "T=nvmet_config"), "no test has that name"),
    (("tree", "FORCE=0"), "FORCE=0: use FORCE=1"),
    (("series", "NET=no"), "NET=no: use NET=1"),
    (("bench", "CHECK=1", "ACCEPT=1"), "CHECK ACCEPT: each is a run of its own"),
    (("mutants", "J=0"), "J=0: use a number"),
    (("demo", "CONFIG=callers"), "CONFIG=callers: use one of lab, debug, kcsan, stock"),
    (("shell", "TOPO=x"), "use one of"),
    (("shell", "FILES=/nowhere/a.ko"), "FILES: no file /nowhere/a.ko: name files"),
    (("shell", "FILES=README.md ./README.md"), "FILES: README.md is there twice"),
    (("shell", "TIMEOUT=soon"), "TIMEOUT=soon: use a number of seconds"),
    (("shell", "TIMEOUT=0"), "TIMEOUT=0: use a number of seconds"),
    (("module",), "M=: name the folder of your module"),
    (("module", "M=/nowhere"), "M=/nowhere: no such folder"),
    (("module", "M=tests"), "M=tests: has no Kbuild and no Makefile: write 'obj-m := NAME.o'"),
    (("module", "M=samples/pci-p2pdma", "KERNEL=build/x"), "KERNEL=build/x: no such file"),
    (("module", "M=samples/pci-p2pdma", "CONFIG=callers"), "CONFIG=callers: use one of lab, debug, kcsan, stock"),
    (("build", "J=many"), "J=many: use a number"),
    (("test", "ACCEL=xen"), "ACCEL=xen: use one of"),
    (("test", "T=nosuchtest"), "no test has that name"),
    (("test", "T=["), "not a selection"),
    (("test", "T=not"), "not a selection"),
    (("test", "T='"), "not a selection"),
    (("test", "T=a b"), "not a selection"),
    (
        ("deb", "CONFIG_FROM=/nowhere"),
        "CONFIG_FROM=/nowhere: no such file: name a kernel's configuration, lab, or running",
    ),
    (("deb", "CONFIG_FROM=/etc"), "CONFIG_FROM=/etc: no such file"),
    (("deb", "CONFIG_FROM=/etc/passwd"), "CONFIG_FROM=/etc/passwd: not the whole configuration of a kernel for x86-64"),
    (("deb", "CONFIG_FROM=configs/lab.config"), "configs/lab.config: not the whole configuration"),
    (("deb", "CONFIG_FROM=lab", "LOCALVERSION=mine"), "LOCALVERSION=mine: use a - and small letters"),
    (("deb", "CONFIG_FROM=lab", "LOCALVERSION=-A b"), "LOCALVERSION=-A b: use a -"),
    (("test-fresh", "STEP=demonstration"), "STEP=demonstration: use one of demo, test"),
)


@pytest.mark.parametrize("argv, words", TYPOS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_typo(argv, words):
    """Said before a package is installed, the tree is made, or anything is built."""
    done = make(*argv, KERNEL_SRC="/must/not/be/looked/at")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode and len(lines) == 1 and lines[0].startswith("p2p: "), done.stderr
    assert re.search(words, lines[0]), lines
    assert "looked" not in done.stdout + done.stderr and done.stdout == ""


ARGUMENTS = (
    (("build", "nosuch"), "no configuration 'nosuch': use one of lab, "),
    (("build", "lab", "--tree", "/nonexistent"), "no kernel in /nonexistent: run make tree"),
    (("setup",), "setup: no package group given: use base, "),
    (("setup", "nosuch"), "no package group 'nosuch': use base, "),
    (("bench", "nosuch"), "no part 'nosuch': choose from switch, "),
    (("bench", "--profile", "nosuch"), "PROFILE=nosuch: no such operation: "),
    (("bench", "--profile", "nosuch:map-peer-1"), "PROFILE=nosuch:map-peer-1: no such operation: "),
    (("run", "nowhere", "copy"), "no topology 'nowhere': choose one of "),
    (("run", "same-switch", "nothing"), "no program 'nothing': choose one of "),
    (("run", "same-switch"), "which topology and program\\? "),
    (("run", "same-switch", "copy", "--timeout", "-1"), "--timeout -1: say how many seconds"),
    (("run", "same-switch", "copy", "--kernel", "/nonexistent"), "no kernel image /nonexistent: name another"),
    (("mutants", "nosuchword"), "mutants: none has nosuchword in its file or description: see "),
    (("deb", "--from", "/nowhere"), "CONFIG_FROM=/nowhere: no such file: name a kernel's configuration, "),
    (("deb", "--from", "lab", "--suffix=-Big"), "LOCALVERSION=-Big: use a - and small letters"),
    (("lab-modules", "nosuch"), "no kernel in build/out/nosuch: run 'make build CONFIG=nosuch'"),
)


@pytest.mark.parametrize(
    "argv, words", ARGUMENTS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_bad_argument(script, argv, words):
    done = script(*argv)
    assert done.returncode == 1 and done.stdout == "", done.stdout
    assert re.fullmatch(f"p2p: {words}.*\n", done.stderr), done.stderr


COMMANDS = sorted(
    path.name
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and path.read_text().startswith("#!/usr/bin/python3")
)


@pytest.mark.parametrize("name", COMMANDS)
def test_usage(script, name):
    """Each command says what it is for, and refuses an option that it does not know as all others do."""
    done = script(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} "), done.stderr
    assert len(done.stdout.split("\n\n")[1]) > 20 and done.stderr == ""
    done = script(name, "--nosuch")
    assert done.returncode == 2 and done.stderr.startswith(f"usage: {name} ") and done.stdout == ""


TERMINATED = "p2p: ended by SIGTERM: run it again, it starts where it can\n"


@pytest.mark.parametrize(
    "code, status, said",
    (
        ("return 3", 3, ""),
        ('raise Fail("it is odd: mend it")', 1, "p2p: it is odd: mend it\n"),
        (
            'open("/nonexistent/file")',
            1,
            "p2p: /nonexistent/file: No such file or directory: run it again, or restore it if "
            "it is a file of the repository\n",
        ),
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "p2p: interrupted: run it again, it starts where it can\n"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", 143, TERMINATED),
        ("with Unwinding(): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", 143, TERMINATED),
        ("Finalizer(); time.sleep(9)", 143, TERMINATED),
    ),
    ids=("status", "Fail", "OSError", "INT", "TERM", "TERM-unwinding", "TERM-finalizer"),
)
def test_guard(code, status, said):
    """What a command ends with, and that it cleans up."""
    program = (
        'import os, signal, sys, time\nsys.path.insert(0, "scripts")\nfrom p2plib import Fail\n'
        "from p2plib.guard import guard\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # One whose end fails as it was cut short, and is not short itself; and where an exception is lost.
        "class Unwinding:\n def __enter__(self): pass\n"
        " def __exit__(self, *_): os.kill(os.getpid(), signal.SIGTERM); raise RuntimeError\n"
        "class Finalizer:\n"
        ' def __del__(self): print("cleaned up"); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n'
        f'def main(argv):\n try:\n  {code}\n finally:\n  print("cleaned up")\nguard(main)\n'
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "cleaned up\n")


def test_nobody_listens():
    """A command in a pipe whose reader has gone ends as others do, without a word."""
    end, other = os.pipe()
    os.close(end)
    done = subprocess.run(
        [ROOT / "scripts/run", "--list"], stdout=other, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(other)
    assert (done.returncode, done.stderr) == (141, b"")


def test_demo_without_qemu(tmp_path):
    """Before the picture, and once."""
    for name in ("python3", "env", "true"):
        (tmp_path / name).symlink_to("/usr/bin/" + name)
    (tmp_path / "bzImage").write_text("")
    done = subprocess.run(
        ["/usr/bin/python3", ROOT / "scripts/demo"],
        text=True,
        check=False,
        timeout=60,
        capture_output=True,
        env={"PATH": str(tmp_path), "HOME": "/", "KERNEL": str(tmp_path / "bzImage")},
    )
    assert done.returncode == 1 and done.stdout == "", done.stdout
    assert re.fullmatch(r"p2p: no qemu-system-x86_64.*: .+\n", done.stderr), done.stderr


def test_command_outside_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert advice.no_command("gcc") == "no gcc in PATH, but there is /usr/bin/gcc: add /usr/bin to PATH"
    assert advice.no_command("nosuch") == "no nosuch: install it"
    assert fetch.installed_version(fetch.Base.read(ROOT)) == "of unknown version"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert advice.no_command("nosuch") == "no nosuch: apt-get install nosuch"
    monkeypatch.setattr(advice, "PLACES", ())
    assert "apt-get install --reinstall git" in advice.no_command("git")


# What the system says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, words",
    (
        (errno.ENOSPC, "No space left on device: free some space"),
        (errno.EROFS, "mount it writable"),
        (errno.ENOTDIR, "move away"),
        (errno.EIO, "check the disk"),
        (errno.EMFILE, "ulimit -n"),
    ),
    ids=lambda v: str(v)[:6],
)
def test_advice_fits(number, words, tmp_path):
    text = advice.os_error(OSError(number, os.strerror(number), str(tmp_path)))
    assert words in text and str(tmp_path) in text and "\n" not in text
    assert ("free some" in text) == (number == errno.ENOSPC)


def test_advice_for_a_missing_command(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        subprocess.run(["nosuchcommand"], check=False, cwd=tmp_path)
    assert "no nosuchcommand: " in advice.os_error(error.value)


def test_build_of_somebody_else(tmp_path):
    """Root may write everywhere, so nobody has to ask."""
    if os.geteuid():
        owner = pwd.getpwuid(os.stat("/").st_uid).pw_name
        said = advice.os_error(OSError(errno.EACCES, os.strerror(errno.EACCES), "/nosuch/file"))
    else:
        owner = "root"
        said = as_nobody(
            "from p2plib.common import locked\nfrom p2plib.guard import guard\nfrom pathlib import Path\n"
            f"guard(lambda _: locked(Path('{tmp_path}/build')).__enter__())",
            tmp_path,
        )
        assert said.startswith("p2p: ") and said.count("\n") == 1, said
    assert f"belongs to {owner}: run as {owner}, or chown it" in said


# Both sides changed ----------------------------------------------------------------------------


def test_refresh_conflict(made):
    """One file changed in build/tree and in the repository: nothing is lost, and the advice works."""
    ours, path = made.root / "drivers/pci/p2pdma/route.c", "drivers/pci/p2pdma/route.c"
    write(ours, "int one;\n\n\n\n\nint last;\n")
    made.ok("scripts/tree")
    made.git("add", "-A", cwd=made.root)
    made.git("commit", "-qm", "all", cwd=made.root)
    write(made.tree / path, "int one_in_tree;\n\n\n\n\nint last;\n")
    write(ours, "int one;\n\n\n\n\nint last_in_repository;\n")
    assert f"it has edits ({path})" in made.fails("scripts/tree")
    message = made.fails("scripts/refresh")
    assert f"build/tree ({path})" in message and "git stash" in message
    assert "one_in_tree" in (made.tree / path).read_text()
    assert "last_in_repository" in ours.read_text()
    made.git("stash", "-q", cwd=made.root)
    assert f"refresh: wrote {path}\n" in made.ok("scripts/refresh")
    made.git("commit", "-qam", "from build/tree", cwd=made.root)
    made.git("stash", "pop", "-q", cwd=made.root)
    assert ours.read_text() == "int one_in_tree;\n\n\n\n\nint last_in_repository;\n"
    made.ok("scripts/tree")
    assert (made.tree / path).read_text() == ours.read_text()
