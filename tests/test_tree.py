# SPDX-License-Identifier: GPL-2.0-only
"""The base, the strip, the composed tree, and the way back: on the real kernel and in small."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

from kindsamples import KINDS
from minikernel import FIRST, IDENTITY, KERNEL, SERIES, MiniProject, make_tarball, write
from p2plib import ROOT, Fail, common
from p2plib.base import fetch, rules, strip
from p2plib.compose.git import Git
from p2plib.compose.series import Series

# The real tree ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def git(tree):
    return Git(tree)


@pytest.fixture(scope="module")
def stock(git):
    """read(path) of the stock base, as the strip wants it."""

    def read(path):
        if not git.ok("cat-file", "-e", "stock:" + path):
            return None
        return git.bytes("show", "stock:" + path).decode()

    return read


def test_strip_leaves_no_trace(git):
    outside = [":!" + caller for caller in rules.CALLERS]
    found = git.lines("grep", "-I", "-i", "-l", "-E", "p2pdma|p2pmem", "base", "--", ".", *outside, ok=(0, 1))
    assert found == []
    for path in rules.FILES:
        assert not git.ok("cat-file", "-e", "base:" + path)


def test_strip_leaves_callers_alone(git):
    assert git("diff", "--stat", "stock", "base", "--", *rules.CALLERS) == ""
    assert git.lines("grep", "-l", "PCI_P2PDMA", "base", "--", *rules.CALLERS)


def test_strip_touches_ruled_files_only(git):
    changed = git.lines("diff", "--no-renames", "--name-only", "stock", "base")
    assert set(changed) == strip.ruled_files()


def test_strip_repeats(git, stock):
    for path, text in strip.strip_files(stock, "x").items():
        if text is not None:
            assert git.bytes("show", "base:" + path).decode() == text, path


def steps(read):
    """(rule, text before it) through the whole strip."""
    texts: dict[str, str] = {}
    for rule in rules.RULES:
        text = texts.get(rule.file) or read(rule.file)
        yield rule, text
        texts[rule.file] = strip.run_rule(rule, text, "x")


def test_each_rule_asserts(stock):
    """A rule that finds nothing, or all of it twice, must say which rule, where and in what."""
    for rule, text in steps(stock):
        after = strip.run_rule(rule, text, "x")
        assert after != text, rule.name
        for damaged in (after, text + "\n" + text):
            with pytest.raises(Fail) as error:
                strip.run_rule(rule, damaged, "6.12.0")
            message = str(error.value)
            assert rule.name in message and rule.file in message and "6.12.0" in message
            assert "expected" in message and "found" in message


def test_composed_is_overlay_and_patches(git, tmp_path):
    """patch(1) by hand, fuzz 0, gives what the branch has."""
    series = Series(ROOT)
    touched = {path for entry in series.entries for path in entry.patch.paths()}
    made = {path for entry in series.entries for path in entry.patch.new_files()}
    for path in touched:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    for path in touched - made:
        (tmp_path / path).write_bytes(git.bytes("show", "base:" + path))
    for entry in series.entries:
        if entry.patch.diff:
            subprocess.run(
                ["patch", "-p1", "-F0", "-s", "--no-backup-if-mismatch"],
                cwd=tmp_path,
                input=entry.patch.diff,
                check=True,
                timeout=60,
            )
    changed = git.lines("diff", "--no-renames", "--name-only", "base", "p2pdma")
    assert set(changed) == touched | set(series.overlay)
    for path in touched:
        assert git.bytes("show", "p2pdma:" + path) == (tmp_path / path).read_bytes(), path
    for path in series.overlay:
        assert git.bytes("show", "p2pdma:" + path) == (ROOT / path).read_bytes(), path


def applied(git, folder, start, mails):
    """The tree hash after `git am` of the mails on start, in a sparse clone."""

    def run(*argv):
        return subprocess.run(
            ["git", "-C", folder, *argv],
            check=True,
            text=True,
            timeout=120,
            capture_output=True,
            env={**os.environ, **IDENTITY},
        ).stdout.strip()

    subprocess.run(["git", "clone", "-q", "-s", "-n", git.folder, folder], check=True, timeout=60)
    paths = git.lines("diff", "--no-renames", "--name-only", start, "p2pdma")
    run("sparse-checkout", "set", "--no-cone", *("/" + path for path in paths))
    run("checkout", "-q", "--detach", start)
    run("am", "-q", "--keep-cr", *map(str, sorted(mails)))
    return run("rev-parse", "HEAD^{tree}")


def test_series_is_the_tree(git, script, tmp_path):
    done = script("series", NET="1", FIXES="1", **IDENTITY)
    assert done.returncode == 0, done.stdout + done.stderr
    mails = sorted((ROOT / "build/series").glob("*.patch"))
    cover = mails[0].read_text(encoding="utf-8")
    assert "base-commit: " + git("rev-parse", "base") in cover and "***" not in cover
    assert len(mails) == len(Series(ROOT).entries) + 1
    for mail in mails[1:]:
        assert "Signed-off-by: Someone <someone@localhost>" in mail.read_text(encoding="utf-8")
    want = git("rev-parse", "p2pdma^{tree}")
    assert applied(git, tmp_path / "series", "base", mails[1:]) == want
    (net,) = (ROOT / "build/series-net").glob("*.patch")
    message = net.read_text(encoding="utf-8").split("\n---\n")[0]
    assert "net difference" in message and "{" not in message and "***" not in message
    lost = set(git.lines("diff", "--name-only", "stock", "base")) - set(
        git.lines("diff", "--no-renames", "--name-only", "base", "p2pdma")
    )
    assert set(re.findall(r"^  (\S+/\S+)$", message, re.M)) == lost
    assert ("the NVMe target" in message) == any(path.startswith("drivers/nvme/target/") for path in lost)
    assert applied(git, tmp_path / "net", "stock", [net]) == want
    fixes = sorted((ROOT / "build/series-fixes").glob("*.patch"))
    ours = [entry for entry in Series(ROOT).entries if "\nFixes: " in entry.patch.message]
    cover = fixes.pop(0).read_text(encoding="utf-8")
    assert "***" not in cover and "before and after" in cover
    own = [path.read_text() for path in (ROOT / "patches/fixes").glob("*.patch")]
    assert len(fixes) == len(ours) + len(own) > len(ours) >= 5
    trailers = r'^Fixes: [0-9a-f]{12} \(".+"\)\nCc: stable@vger.kernel.org\nSigned-off-by: Someone'
    stable = [fix for fix in fixes if re.search(trailers, fix.read_text(encoding="utf-8"), re.M)]
    assert len(stable) == len(ours) + sum("\nFixes: " in text for text in own)
    # The series stands on its own first: what it has for the base stands before all else.
    assert [entry.patch.message for entry in Series(ROOT).entries[: len(ours)]] == [e.patch.message for e in ours]
    assert applied(git, tmp_path / "fixes", "stock", fixes)


def all_stamps(folder):
    found = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = os.path.join(top, name)
            found[path] = os.lstat(path).st_mtime_ns
    return found


def test_tree_again_touches_nothing(tree, script):
    def seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before, start = all_stamps(tree), seconds()
    assert "nothing to do" in script("tree").stdout
    assert seconds() - start < 0.5
    assert all_stamps(tree) == before and len(before) > 80000


@pytest.mark.all
def test_check_apply(progress):
    """Every 6.12.y that the archive offers, from the oldest on that was tried, fuzz 0."""
    progress("check-apply")


@pytest.mark.all
def test_every_commit_builds(progress):
    progress("series", "--check-builds", "lab")


# The map of the parts --------------------------------------------------------------------------

PARTS = ROOT / "drivers/pci/p2pdma"


def read_map(text):
    """file name: number of its line in the table at the top of p2pdma.h."""
    table = re.findall(r"^ \*   ((?:\S+\.[ch] ?)+)\t", text, re.M)
    return {name.removeprefix("../"): number for number, names in enumerate(table) for name in names.split()}


def against_map(levels, sources):
    """What does not agree with the table: files that it lacks or has too many, and includes that go up."""
    wrong = [f"{name}: not in the table" for name in sources if name not in levels]
    wrong += [f"{name}: in the table, and nowhere else" for name in levels if name not in sources]
    for name, text in sources.items():
        for header in re.findall(r'^#include "(?:p2pdma/)?([\w-]+\.h)"', text, re.M):
            if levels.get(header, -1) < levels.get(name, 0):
                wrong.append(f"{name}: includes {header}, which is above it")
    return wrong


def sources():
    found = {path.name: path.read_text(encoding="utf-8") for path in PARTS.glob("*.[ch]")}
    return found | {"p2pdma.c": (PARTS.parent / "p2pdma.c").read_text(encoding="utf-8")}


def test_map_is_true():
    found = sources()
    assert against_map(read_map(found["p2pdma.h"]), found) == []


@pytest.mark.parametrize(
    "name, text, complaint",
    [
        ("route.c", '#include "peers.h"\n', "route.c: includes peers.h, which is above it"),
        ("pool.c", '#include "nowhere.h"\n', "pool.c: includes nowhere.h, which is above it"),
        ("extra.c", "", "extra.c: not in the table"),
    ],
)
def test_map_complains(name, text, complaint):
    found = sources()
    assert against_map(read_map(found["p2pdma.h"]), found | {name: text}) == [complaint]


# What is exported, and in no table of odd arguments, with the reason
NO_ARGUMENTS = {
    "pci_p2pdma_key": "a variable",
    "pci_p2pdma_outage_number": "a variable",
    "pci_p2pdma_outages": "takes none",
    "sg_follow_chain": "the slow half of sg_next(), whose arguments are 6.12's",
    "pci_p2pdma_map_begin": "of a mapping loop: the core's own, no driver has one",
    "pci_p2pdma_map_seen": "likewise",
    "pci_p2pdma_map_segment": "likewise",
    "pci_p2pdma_update_state": "likewise",
    "pci_p2pdma_range_intact": "what rlist_intact() asks of a range",
    "pci_p2pdma_no_outage": "what those that end in _intact() ask first",
    "pci_p2pmem_find": "pci_p2pmem_find_many() with one client",
}
# Between the modules of one subsystem, which know what they pass
INSIDE = ("drivers/nvme/", "drivers/md/")
FOLDERS = ("drivers", "block", "kernel", "lib", "mm")
EXPORT = re.compile(r"^\+?EXPORT_SYMBOL(?:_GPL)?\(_*(\w+)\);", re.M)


def exported():
    """Names, without underscores in front, of calls that are there for drivers."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.c")]
    texts = [path.read_text() for path in files if not str(path.relative_to(ROOT)).startswith(INSIDE)]
    texts += [re.sub(r"^[^+].*", "", path.read_text(), flags=re.M) for path in (ROOT / "patches").glob("*.patch")]
    header = (ROOT / "include/linux/pci-p2pdma.h").read_text()
    return {name for text in texts for name in EXPORT.findall(text)} | set(
        re.findall(r"\b_*(pci_\w*p2p\w*)\((?!\))", header)
    )


def test_each_call_is_tried_with_odd_arguments():
    """The tables of drivers/pci/p2pdma/tests/arguments*_test.c, and what they leave out, name all that is exported."""
    tried = "".join(path.read_text() for path in PARTS.glob("tests/arguments*.c"))
    missing = {name for name in exported() if not re.search(rf"\b{name}\(", tried)}
    assert missing == set(NO_ARGUMENTS)


# The kinds of rule -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_kind(number):
    kind, pattern, before, after = KINDS[number]
    expected = (before, 0) if after is None else (after, 1)
    assert kind(before, pattern) == expected


# In small: making the tree ---------------------------------------------------------------------


def test_mini_tree(made):
    assert made.git("log", "--format=%s", "base..p2pdma").splitlines() == [
        "PCI/P2PDMA: build it",
        "mm: return another number",
    ]
    assert (made.tree / "mm/gup.c").read_text() == "int gup(int flags)\n{\n\treturn 5;\n}\n"
    assert (made.tree / "drivers/pci/p2pdma/route.c").exists()
    names = made.git("show", "--format=", "--name-only", "p2pdma").splitlines()
    assert names == ["drivers/pci/Makefile", "drivers/pci/p2pdma.c", "drivers/pci/p2pdma/route.c"]


def test_same_hashes_everywhere(made, tmp_path):
    other = MiniProject(tmp_path / "other")
    os.utime(other.tarball, (1, 1))
    other.ok("scripts/tree")
    assert other.git("rev-parse", "p2pdma") == made.git("rev-parse", "p2pdma")


def test_folder_and_tarball_agree(made, tmp_path):
    folder = tmp_path / "linux"
    for name, text in KERNEL.items():
        write(folder / name, text)
    before = made.files()
    made.ok("scripts/tree", KERNEL_SRC=str(folder))
    assert made.files() == before


def test_edit_changes_one_file(made):
    before = made.stamps()
    write(made.root / "drivers/pci/p2pdma/route.c", "int another_route;\n")
    made.ok("scripts/tree")
    after = made.stamps()
    assert [str(p.relative_to(made.tree)) for p in after if after[p] != before.get(p)] == ["drivers/pci/p2pdma/route.c"]
    assert after.keys() == before.keys()


def test_new_base_touches_what_differs(made, tmp_path):
    before = made.stamps()
    newer = dict(KERNEL, **{"mm/other.c": "int other;\n"})
    made.ok("scripts/tree", KERNEL_SRC=str(make_tarball(tmp_path / "newer.tar.xz", newer)))
    after = made.stamps()
    assert [p.name for p in after if after[p] != before.get(p)] == ["other.c"]
    assert (made.tree / "mm/other.c").read_text() == "int other;\n"


def test_edits_are_not_lost(made):
    write(made.tree / "mm/gup.c", "my work\n")
    assert "nothing to do" in made.ok("scripts/tree")
    assert "it has edits" in made.fails("scripts/tree", "--check")
    write(made.root / "drivers/pci/p2pdma.c", "int changed;\n")
    message = made.fails("scripts/tree")
    assert "make refresh" in message and "FORCE=1" in message
    assert (made.tree / "mm/gup.c").read_text() == "my work\n"
    write(made.tree / "mm/new.c", "more work\n")
    made.ok("scripts/tree", FORCE="1")
    assert "return 5" in (made.tree / "mm/gup.c").read_text()
    assert not (made.tree / "mm/new.c").exists()
    made.ok("scripts/tree", "--check")


def test_commits_are_not_lost(made):
    write(made.tree / "mm/gup.c", "my work\n")
    made.git("commit", "-qam", "my work")
    write(made.root / "drivers/pci/p2pdma.c", "int changed;\n")
    assert "commits of its own" in made.fails("scripts/tree")


def test_stock(made):
    made.ok("scripts/tree", "--stock")
    laid = made.root / "build/stock/linux"
    found = [path for path in laid.rglob("*") if path.is_file()]
    assert {str(path.relative_to(laid)): path.read_text() for path in found} == KERNEL


def test_interrupted_run_is_redone(mini, made, tmp_path):
    """Killed at any moment, the next run ends where an undisturbed one does."""
    want, other = made.git("rev-parse", "p2pdma"), MiniProject(tmp_path / "other")
    for step in range(12):
        env = {**os.environ, "KERNEL_SRC": str(mini.tarball)}
        with subprocess.Popen(
            [other.root / "scripts/tree"], env=env, start_new_session=True, stdout=subprocess.DEVNULL
        ) as run:
            time.sleep(0.04 * step)
            os.killpg(run.pid, signal.SIGKILL)
    other.ok("scripts/tree", KERNEL_SRC=str(mini.tarball))
    assert other.git("rev-parse", "p2pdma") == want
    other.files()


@pytest.mark.parametrize("lock", ("HEAD.lock", "index.lock", "refs/heads/p2pdma.lock"))
def test_locks_of_a_killed_git_are_broken(made, lock):
    """git killed with its lock held; a lock after a run that ended is somebody else's, and stays."""
    path = made.tree / ".git" / lock
    write(made.root / "drivers/pci/p2pdma.c", "int other;\n")
    path.touch()
    assert lock == "index.lock" or f"remove {path}" in made.fails("scripts/tree")
    assert path.exists()
    (made.root / "build/.lock").write_text("under way\n")
    made.ok("scripts/tree")
    made.ok("scripts/tree", "--check")


@pytest.mark.parametrize("error, whole", ((KeyboardInterrupt(), False), (SystemExit(143), False), (Fail("x"), True)))
def test_an_interrupted_run_may_have_killed_its_git(tmp_path, error, whole):
    """subprocess.run() gives a child a quarter of a second to end by itself, which on a busy machine is too little."""
    git_lock = tmp_path / "tree/.git/index.lock"
    write(git_lock, "")
    with pytest.raises(type(error)), common.locked(tmp_path):
        raise error
    with common.locked(tmp_path):
        assert git_lock.exists() == whole
    assert (tmp_path / ".lock").read_text() == ""


def test_interrupted_checkout_is_redone(made):
    """As if killed between the files: half of them are new, the state says so."""
    state = made.tree / ".git/p2p-state"
    head = made.git("rev-parse", "p2pdma")
    state.write_text(state.read_text().replace('"switching": ""', f'"switching": "{head}"'))
    write(made.tree / "mm/gup.c", "half\n")
    (made.tree / "drivers/pci/p2pdma.c").unlink()
    (made.tree / ".git/index.p2p.lock").touch()
    made.ok("scripts/tree")
    made.ok("scripts/tree", "--check")


# In small: bad input ---------------------------------------------------------------------------


def test_not_this_series(made, tmp_path):
    before = made.files()
    other = dict(KERNEL, Makefile="VERSION = 6\nPATCHLEVEL = 6\nSUBLEVEL = 1\n")
    message = made.fails("scripts/tree", KERNEL_SRC=str(make_tarball(tmp_path / "o.tar.xz", other)))
    assert "Linux 6.6.1, not 6.12.y" in message
    assert made.files() == before


def test_corrupt_tarball(made):
    before, data = made.files(), made.tarball.read_bytes()
    for bad in (data[: len(data) // 2], b"not a tarball at all", b"", data[:-40] + b"x" * 40):
        made.tarball.write_bytes(bad)
        message = made.fails("scripts/tree")
        assert "not a readable tarball" in message or "no top Makefile" in message
        made.fails("scripts/fetch")
    made.tarball.write_bytes(data)
    made.ok("scripts/tree")
    assert made.files() == before
    assert made.ok("scripts/fetch").startswith("6.12.99\t")


def test_no_such_source(mini, tmp_path):
    assert "no such file" in mini.fails("scripts/tree", KERNEL_SRC="/nowhere")
    assert "no top Makefile" in mini.fails("scripts/tree", KERNEL_SRC=str(tmp_path))
    write(tmp_path / "built/.config", "")
    assert "mrproper" in mini.fails("scripts/tree", KERNEL_SRC=str(tmp_path / "built"))
    assert not mini.tree.exists()


@pytest.mark.parametrize(
    "text, words",
    (
        (KERNEL["mm/gup.c"].replace("FOLL_PCI", "FOLL"), ("mini-gup", "mm/gup.c", "6.12.99", "found 0")),
        (KERNEL["mm/gup.c"] + "/* P2PDMA */\n", ("6.12.99", "traces left", "mm/gup.c:5")),
    ),
    ids=("rule", "trace"),
)
def test_damaged_base(mini, tmp_path, text, words):
    damaged = make_tarball(tmp_path / "damaged.tar.xz", dict(KERNEL, **{"mm/gup.c": text}))
    message = mini.fails("scripts/tree", KERNEL_SRC=str(damaged))
    assert all(word in message for word in words), message
    assert not mini.tree.exists()
    mini.ok("scripts/tree")


def test_strip_alone(tmp_path):
    project = MiniProject(tmp_path)
    for name, text in KERNEL.items():
        write(tmp_path / "linux" / name, text)
    project.ok("scripts/strip", str(tmp_path / "linux"))
    assert "P2PDMA" not in (tmp_path / "linux/mm/gup.c").read_text()
    assert "rule drop-file" in project.fails("scripts/strip", str(tmp_path / "linux"))


def test_no_root_no_package(monkeypatch, tmp_path):
    """Not installed, and not root: say what to type, write nothing."""
    base = fetch.Base.read(ROOT)
    monkeypatch.setattr(fetch.Base, "tarball", tmp_path / "none.tar.xz")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("KERNEL_SRC", raising=False)
    with pytest.raises(Fail, match="only root can: apt-get install linux-source-6.12"):
        fetch.source(base, tmp_path / "build")
    assert not list(tmp_path.iterdir())


def test_no_disk_space(tmp_path):
    with pytest.raises(Fail, match=r"has [0-9]+ MiB free, 1000000000 MiB are needed"):
        common.need_space(tmp_path, 10**9)


BAD_SERIES = (
    ("drivers/pci/new.c", "int x;\n", "drivers/pci/new.c is in no commit"),
    ("patches/0003-x.patch", FIRST, "0003-x.patch is not in patches/series"),
    (
        "patches/series",
        "0001-mm-number.patch\n\tdrivers/pci/gone.c\n0002-pci-build.patch\n",
        "gone.c, which is not there",
    ),
    ("patches/series", "0001-mm-number.patch\n0009-gone.patch\n", "0009-gone.patch, which is not there"),
    (
        "patches/series",
        "0001-mm-number.patch\n\tdrivers/pci/p2pdma.c\n" "0002-pci-build.patch\n\tdrivers/pci/p2pdma.c\n",
        "is listed twice",
    ),
    ("patches/series", "1-x.patch\n", "is not NNNN-name.patch"),
    ("patches/0001-mm-number.patch", FIRST.replace("return 0", "return 3"), "does not apply"),
    ("patches/0001-mm-number.patch", FIRST.replace("Subject", "Object"), "no `Subject: [PATCH] ...`"),
    ("patches/0001-mm-number.patch", "From: A <a@b>\n" + FIRST, "has a From: line"),
    ("patches/0001-mm-number.patch", "Subject: [PATCH] nothing\n", "no diff and no new files"),
    ("patches/0001-mm-number.patch", FIRST.replace("--- a/mm/gup.c", "--- /dev/null"), "creates mm/gup.c"),
    ("mm/other.c", "int ours;\n", "mm/other.c"),
)


@pytest.mark.parametrize("path, text, words", BAD_SERIES, ids=range(len(BAD_SERIES)))
def test_bad_series(made, path, text, words):
    before = made.files()
    write(made.root / path, text)
    assert words in made.fails("scripts/tree")
    assert made.files() == before


def test_overlay_on_a_base_file(made):
    write(made.root / "mm/other.c", "int ours;\n")
    series = made.root / "patches/series"
    series.write_text(series.read_text() + "\tmm/other.c\n")
    assert "mm/other.c is a file of the base" in made.fails("scripts/tree")


# In small: bringing work back ------------------------------------------------------------------


def round_trip(made, **env):
    """Refresh; what the repository composes to must be what was in build/tree."""
    files = {path: path.read_bytes() for path in made.stamps()}
    stamps = made.stamps()
    made.ok("scripts/refresh", **env)
    assert made.stamps() == stamps  # nothing for the kernel's make to redo
    made.ok("scripts/tree", "--check")
    made.ok("scripts/tree", FORCE="1")
    assert {path: path.read_bytes() for path in made.stamps()} == files


def patch(made, name):
    return (made.root / "patches" / name).read_text()


def series(made):
    return (made.root / "patches/series").read_text()


def commit(made, message):
    made.git("add", "-f", "-A")
    made.git("commit", "-qm", message)


def test_refresh_nothing(made):
    assert "nothing to bring back" in made.ok("scripts/refresh")


def test_refresh_edits(made):
    second = patch(made, "0002-pci-build.patch")
    write(made.tree / "drivers/pci/p2pdma/route.c", "int edited;\n")
    write(made.tree / "mm/gup.c", "int gup(int flags)\n{\n\treturn 6;\n}\n")
    round_trip(made)
    assert (made.root / "drivers/pci/p2pdma/route.c").read_text() == "int edited;\n"
    text = patch(made, "0001-mm-number.patch")
    assert "+\treturn 6;" in text and text.startswith(FIRST.split("---")[0])
    assert patch(made, "0002-pci-build.patch") == second
    assert series(made) == SERIES


def test_refresh_file_of_no_patch(made):
    write(made.tree / "mm/other.c", "int edited;\n")
    message = made.fails("scripts/refresh")
    assert "mm/other.c" in message and "INTO=" in message and "commit" in message
    assert "no patch of the series" in made.fails("scripts/refresh", INTO="0007-gone.patch")
    round_trip(made, INTO="0001-mm-number.patch")
    assert "+int edited;" in patch(made, "0001-mm-number.patch")


def test_refresh_into_is_for_what_no_patch_touches(made):
    write(made.tree / "mm/gup.c", "int gup(int flags)\n{\n\treturn 6;\n}\n")
    assert "no patch of the series" in made.fails("scripts/refresh", INTO="0007-gone.patch")
    said = made.ok("scripts/refresh", INTO="0002-pci-build.patch")
    assert 'mm/gup.c goes into "mm: return another number"' in said and "not into INTO=" in said
    assert "+\treturn 6;" in patch(made, "0001-mm-number.patch")


def test_refresh_new_and_removed_file(made):
    write(made.tree / "drivers/pci/new.c", "int new;\n")
    assert "drivers/pci/new.c is new" in made.fails("scripts/refresh")
    assert not (made.root / "drivers/pci/new.c").exists()
    round_trip(made, INTO="0001-mm-number.patch")
    assert "0001-mm-number.patch\n\tdrivers/pci/new.c\n" in series(made)
    (made.tree / "drivers/pci/new.c").unlink()
    round_trip(made)
    assert not (made.root / "drivers/pci/new.c").exists() and "new.c" not in series(made)


def test_refresh_commits(made):
    write(made.tree / "mm/other.c", "int edited;\n")
    write(made.tree / "mm/new.c", "int new;\n")
    write(made.tree / "drivers/pci/p2pdma.c", "int also;\n")
    commit(made, "mm: A third thing!\n\nWith a reason.")
    write(made.tree / "mm/other.c", "int edited_again;\n")
    round_trip(made)
    text = patch(made, "0003-mm-a-third-thing.patch")
    assert text.startswith("Subject: [PATCH] mm: A third thing!\n\nWith a reason.\n---\n")
    assert "+int edited_again;" in text and "new.c" not in text
    assert series(made).endswith("0003-mm-a-third-thing.patch\n\tmm/new.c\n")
    assert (made.root / "drivers/pci/p2pdma.c").read_text() == "int also;\n"


def test_refresh_makefile_that_grows(made):
    """One that several commits add to is in their patches; else it is a file of the repository, as others are."""
    makefile = "drivers/pci/p2pdma/Makefile"
    write(made.tree / makefile, "obj-y += route.o\n")
    commit(made, "PCI: One object")
    round_trip(made)
    assert (made.root / makefile).read_text() == "obj-y += route.o\n"
    write(made.tree / makefile, "obj-y += route.o\nobj-y += acs.o\n")
    write(made.tree / "drivers/pci/p2pdma/acs.c", "int acs;\n")
    commit(made, "PCI: Another object")
    round_trip(made)
    assert not (made.root / makefile).exists() and makefile not in series(made)
    assert "--- /dev/null" in patch(made, "0003-pci-one-object.patch")
    text = patch(made, "0004-pci-another-object.patch")
    assert "+obj-y += acs.o" in text and "+obj-y += route.o" not in text
    assert series(made).endswith("0004-pci-another-object.patch\n\tdrivers/pci/p2pdma/acs.c\n")
    write(made.root / makefile, "obj-y += other.o\n")
    assert "creates" in made.fails("scripts/tree")


def test_refresh_commit_to_overlay_only(made):
    write(made.tree / "drivers/pci/p2pdma.c", "int also;\n")
    commit(made, "PCI/P2PDMA: a fix")
    round_trip(made)
    assert series(made).count(".patch") == 2
    assert (made.root / "drivers/pci/p2pdma.c").read_text() == "int also;\n"


def test_refresh_rewritten_history(made, tmp_path):
    """Two commits swapped, one reworded, one put between, as git rebase -i does."""
    todo = tmp_path / "todo"
    todo.write_text(
        "#!/bin/sh\n"
        f'{{ sed -n 2p "$1"; echo "exec sh {tmp_path}/step"; sed -n 1p "$1"; }} >"$1.n"\n'
        'mv "$1.n" "$1"\n'
    )
    (tmp_path / "step").write_text(
        'echo "int between;" >mm/other.c; git commit -qam "mm: between"\n'
        'git commit -q --amend --allow-empty -m "mm: between, reworded"\n'
    )
    todo.chmod(0o755)
    subprocess.run(
        ["git", "-c", f"sequence.editor={todo}", "rebase", "-q", "-i", "base"],
        cwd=made.tree,
        env={**os.environ, **IDENTITY},
        check=True,
        timeout=60,
    )
    round_trip(made)
    names = re.findall(r"(?m)^\d.*", series(made))
    assert names == ["0001-pci-build.patch", "0002-mm-between-reworded.patch", "0003-mm-number.patch"]
    assert patch(made, "0003-mm-number.patch") == FIRST


def test_refresh_dropped_commit(made):
    made.git("reset", "-q", "--hard", "p2pdma~1")
    round_trip(made)
    assert series(made).count(".patch") == 1
    assert not (made.root / "drivers/pci/p2pdma.c").exists()
    assert not (made.root / "patches/0002-pci-build.patch").exists()


def test_refresh_both_sides_edited(made):
    write(made.tree / "mm/gup.c", "int gup;\n")
    write(made.root / "drivers/pci/p2pdma.c", "int ours;\n")
    assert "side aside (git stash)" in made.fails("scripts/refresh")
    assert (made.root / "drivers/pci/p2pdma.c").read_text() == "int ours;\n"
    assert patch(made, "0001-mm-number.patch") == FIRST


def test_refresh_cut_short_after_writing(made):
    """The repository has it already, build/tree does not know yet."""
    state = (made.tree / ".git/p2p-state").read_bytes()
    head, index = made.git("rev-parse", "p2pdma"), made.tree / ".git/index"
    shutil.copy2(index, index.with_name("saved"))
    write(made.tree / "drivers/pci/p2pdma.c", "int edited;\n")
    made.ok("scripts/refresh")
    made.git("update-ref", "refs/heads/p2pdma", head)
    shutil.copy2(index.with_name("saved"), index)
    (made.tree / ".git/p2p-state").write_bytes(state)
    round_trip(made)


def test_mini_check_apply(made, tmp_path):
    """One version that fits, one where a hunk does not, one where a rule does not, and one that is too old."""
    download = made.root / "build/download"
    download.mkdir()
    odd = {
        "1": KERNEL,
        "2": dict(KERNEL, **{"drivers/pci/Makefile": "obj-y += p2pdma.o\n"}),
        "3": dict(KERNEL, **{"mm/gup.c": "int gup;\n"}),
    }
    for version, files in odd.items():
        make_tarball(download / f"linux-source-6.12_{version}.tar.xz", files)
    write(tmp_path / "bin/apt-cache", '#!/bin/sh\nprintf " x | %s | y\\n" 3 2 1 0\n')
    (tmp_path / "bin/apt-cache").chmod(0o755)
    done = made.run("scripts/check-apply", KERNEL_SRC="", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["1"] == ["ok", "2/2", "ok", "ok"], done.stdout + done.stderr
    assert rows["2"] == ["ok", "1/2", "ok", "FAILED"]
    assert rows["3"] == ["FAILED", "-", "-", "FAILED"]
    assert "2: 0002-pci-build.patch: error: patch failed" in done.stdout
    assert "3: strip: rule mini-gup on mm/gup.c of 6.12.99" in done.stdout
    assert "0" not in rows and "not tried, as BASE has nothing as old: 0\n" in done.stdout
    assert done.returncode == 1 and "2 of 3 versions failed" in done.stderr


def test_mini_check_builds(made):
    write(
        made.root / "scripts/build",
        '#!/bin/sh\necho "$@" >>build/calls\n! grep -q p2pdma.o ' '"$3/drivers/pci/Makefile"\n',
    )
    done = made.run("scripts/series", "--check-builds", "lab")
    assert "1/2 0001-mm-number.patch ok" in done.stdout
    assert "2/2 0002-pci-build.patch FAILED" in done.stdout and "1 of 2 commits" in done.stderr
