# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's own checkers, and those for scripts and prose, say about our files and patches."""

import os
import re
import subprocess
from collections import defaultdict

import pytest

from p2plib import ROOT
from p2plib.compose.series import KERNEL_FOLDERS, Patch

# MISSING_SIGN_OFF, NO_AUTHOR_SIGN_OFF: who exports the series signs it.
# FILE_PATH_CHANGES: MAINTAINERS has a patch of its own.
# PGMAP_* are written as the one of the base is; build/tree has no history to look up Fixes: in.
IGNORE_PATCH = "CAMELCASE,MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,FILE_PATH_CHANGES,BIT_MACRO,UNKNOWN_COMMIT_ID"
# What a user reads is not broken, so that it can be searched for (coding-style, 2).
IGNORE_FILE = "FILE_PATH_CHANGES,LONG_LINE_STRING"
# User space has none of __printf, __noreturn, BIT() and u8.
IGNORE_USER = "FILE_PATH_CHANGES,LONG_LINE_STRING,PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO,PREFER_KERNEL_TYPES"

# Where kernel code of ours is.
OURS = ("block/", "drivers/", "include/", "kernel/", "lib/", "mm/", "samples/")

# The shim has the kernel's macros for user space, with its names and arguments.
SHIM = "tools/pci/p2ptopo/shim/"
IGNORE_SHIM = "MACRO_ARG_REUSE,MACRO_ARG_UNUSED,MULTISTATEMENT_MACRO_USE_DO_WHILE,DATA_RACE"
# Flags and types of md have such names.
MD = "drivers/md/"
# Part of raid1.c and raid10.c, with which its lines are checked.
INCLUDED = ("drivers/md/raid1-10.c",)

# As all events are laid out.
IGNORE_EVENTS = "OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,SPACING"

# Words that codespell takes for something else.
WORDS = "inflight,inout,ser,ith,nd,clen,fo,damon,uptodate"


def sh(*argv, cwd=ROOT):
    # Debian's python3 first: checkpatch.pl calls a script that needs modules packaged for it.
    env = {**os.environ, "PATH": "/usr/bin:" + os.environ["PATH"]}
    return subprocess.run(
        [str(a) for a in argv], cwd=cwd, capture_output=True, text=True, errors="replace", check=False, env=env
    )


def files(*suffixes, under=("",)):
    """Files of the repository, also new ones that git does not know yet."""
    listed = sh("git", "ls-files", "-co", "--exclude-standard").stdout.splitlines()
    return [f for f in listed if f.startswith(tuple(under)) and f.endswith(suffixes or ("",)) and (ROOT / f).is_file()]


def patches():
    return files(".patch", under=("patches/",))


def scripts(interpreter):
    """Files whose first line runs them with this, and those with its suffix."""
    suffix = {"sh": ".sh", "python3": ".py"}[interpreter]
    pattern = re.compile(rf"#!.*\b(ba|da)?{interpreter}\b")
    return [f for f in files() if f.endswith(suffix) or pattern.match((ROOT / f).open(errors="replace").readline())]


def report(lines, advice):
    """Fail with what the checker said, and what to do about it."""
    if lines:
        pytest.fail("\n".join([*lines, "", f"p2p: lint: {len(lines)} remarks: {advice}"]), pytrace=False)


# --- text ---


def test_spdx():
    # A patch belongs to the file it changes; the ABI folder's format has no comments; a litmus test begins with a name.
    exempt = ("COPYING", "patches/", "Documentation/ABI/", "Documentation/litmus-tests/")
    # What others take as well: bindings, and a netlink interface with what is generated from it
    license = re.compile(
        r"SPDX-License-Identifier: (GPL-2\.0|\(GPL-2\.0-only OR BSD-2-Clause\)|"
        r"\(\(GPL-2\.0 WITH Linux-syscall-note\) OR BSD-3-Clause\))"
    )
    report(
        [
            f
            for f in files()
            if not f.startswith(exempt)
            and not license.search("".join((ROOT / f).open(errors="replace").readlines()[:4]))
        ],
        "give each of these files an SPDX line at its top",
    )


def test_codespell():
    run = sh("codespell", "-L", WORDS, *[f for f in files() if f != "COPYING"])
    report(
        run.stdout.splitlines() + run.stderr.splitlines(), "correct the word, or add it to WORDS in tests/test_lint.py"
    )


def test_shellcheck():
    found = scripts("sh")
    assert found, "no shell scripts found: the search is broken"
    run = sh("shellcheck", "-x", "-P", "SCRIPTDIR", "-f", "gcc", *found)
    report(run.stdout.splitlines() + run.stderr.splitlines(), "see shellcheck.net for the SC number")


def test_python():
    bad = []
    found = scripts("python3")
    assert found, "no Python found: the search is broken"
    for f in found:
        try:
            compile((ROOT / f).read_text(encoding="utf-8"), f, "exec")
        except SyntaxError as e:
            bad.append(f"{f}:{e.lineno}: {e.msg}")
    report(bad, "the Python is that of Debian 12, 3.11")


def test_python_format():
    """In black's shape; what it does not break, comments and strings, is not longer either."""
    found = [f for f in scripts("python3") if f.startswith(("scripts/", "tests/"))]
    run = sh("black", "--check", *found)
    long = [
        f"{f}:{number}: longer than 120"
        for f in found
        for number, line in enumerate((ROOT / f).read_text().splitlines(), 1)
        if len(line) > 120
    ]
    report(
        [t for t in run.stderr.splitlines() if t.startswith("would reformat")] * bool(run.returncode) + long,
        "black scripts tests; break the comment or the string yourself",
    )


def test_python_names():
    """No import and no variable that nobody uses."""
    run = sh("pyflakes3", *scripts("python3"))
    report(run.stdout.splitlines() + run.stderr.splitlines(), "take out what is not used")


def test_types():
    """What [tool.mypy] of pyproject.toml asks for."""
    run = sh("mypy")
    report(
        run.stdout.splitlines() + run.stderr.splitlines() if run.returncode else [],
        "correct the types: mypy checks them",
    )


def test_one_error_and_one_guard():
    """There were seven and five."""
    allowed = {
        r"sys\.exit\(": ["guard.py"],
        r"^class \w+\((?:\w*Error|Exception)\)": ["__init__.py"],
        r"\bsys\.path\b": ["lab/judge.py"],
    }
    found = []
    for f in files(".py", under=("scripts/p2plib/",)):
        text = (ROOT / f).read_text()
        found += [
            f"{f}: {pattern}"
            for pattern, where in allowed.items()
            if re.search(pattern, text, re.M) and f.removeprefix("scripts/p2plib/") not in where
        ]
    report(found, "raise a Fail, and let guard() say so; python finds the package beside the entry points")


@pytest.mark.parametrize("page", ["HACKING.md", "README.md"])
def test_pages_name_what_is_there(page):
    """A map of the repository is true, or it is none."""
    tops = "Documentation|bench|configs|drivers|include|lab|p2plib|packaging|patches|samples|scripts|tests|tools"
    named = set(re.findall(rf"(?<![\w/.-])(?:{tops})/[\w./-]*\w", (ROOT / page).read_text()))
    assert named, "no path found: the search is broken"
    report(
        [
            f"{page}: {path}"
            for path in sorted(named)
            if not re.search(r"[A-Z]{4}", path)
            and not (ROOT / path).exists()
            and not (ROOT / "scripts" / path).exists()
        ],
        "correct the page: there is no such file or folder",
    )


# Of lists and tools that are not in the repository, and of our own in the place of the subsystem's.
NOT_MAILED = re.compile(r"(?i)\b(fault \d+|mutation:|lend(er|s|ing)?|lent|front ?door|shop|todo|fixme)\b")


def test_mailed_words():
    """What goes to the lists names nothing that its readers do not have."""
    mailed = files(under=("patches/", *(f"{folder}/" for folder in KERNEL_FOLDERS)))
    assert len(mailed) > 100, "hardly any files found: the search is broken"
    lines = [
        f"{file}:{number}: {line.strip()}"
        for file in mailed
        for number, line in enumerate((ROOT / file).read_text(errors="replace").splitlines(), 1)
        if NOT_MAILED.search(line) and (not file.endswith(".patch") or not line.startswith((" ", "-", "@")))
    ]
    report(lines, "say it in words that its readers know, or leave it out")


def test_trailers():
    """Fixes: as git log prints it, before Cc:; no names, which are for who exports the series."""
    lines = []
    for file in patches():
        patch = Patch((ROOT / file).read_bytes(), file)
        trailers = re.findall(r"(?m)^([A-Z][A-Za-z-]+): (.*)$", patch.body.rpartition("\n\n")[2])
        fixes = [value for key, value in trailers if key == "Fixes"]
        lines += [f"{file}: Fixes: {v}" for v in fixes if not re.fullmatch(r'[0-9a-f]{12} \(".+"\)', v)]
        lines += [f"{file}: {key}:" for key, _ in trailers if key not in ("Fixes", "Cc")]
        if fixes and ("Cc", "stable@vger.kernel.org") not in trailers:
            lines.append(f"{file}: Fixes: without Cc: stable@vger.kernel.org")
        if len(patch.subject) > 75 or patch.subject.endswith("."):
            lines.append(f"{file}: {patch.subject}: a subject has at most 75 characters and no full stop")
    report(lines, "correct the message of the patch")


# --- the kernel's checkers ---


def checkpatch(tree, ignore, *argv):
    """checkpatch.pl's remarks, one line each."""
    run = sh(
        "perl",
        "scripts/checkpatch.pl",
        "--strict",
        "--terse",
        "--show-types",
        "--no-summary",
        "--ignore",
        ignore,
        *argv,
        cwd=tree,
    )
    # What it keeps of names is no edit of the tree.
    for kept in tree.glob(".checkpatch-camelcase*"):
        kept.unlink()
    assert run.returncode in (0, 1) and not run.stderr, run.stderr
    return [t.replace(f"{ROOT}/", "") for t in run.stdout.splitlines() if t]


def test_checkpatch_files(tree):
    kernel = files(".c", ".h", under=(*OURS, "lab/modules/"))
    user = files(".c", ".h", under=("tools/", "lab/guest/", "lab/plugin/"))
    assert kernel and user, "no kernel files or no selftests found: the search is broken"
    shim = [f for f in user if f.startswith(SHIM)]
    events = [f for f in kernel if f.endswith("/trace.h")]
    md = [f for f in kernel if f.startswith(MD)]
    report(
        checkpatch(tree, IGNORE_FILE, "-f", *[ROOT / f for f in kernel if f not in events + md])
        + checkpatch(tree, f"{IGNORE_FILE},CAMELCASE", "-f", *[ROOT / f for f in md])
        + checkpatch(tree, f"{IGNORE_FILE},{IGNORE_EVENTS}", "-f", *[ROOT / f for f in events])
        + checkpatch(tree, IGNORE_USER, "-f", *[ROOT / f for f in user if f not in shim])
        + checkpatch(tree, f"{IGNORE_USER},{IGNORE_SHIM}", "-f", *[ROOT / f for f in shim]),
        "correct the file, build/tree/scripts/checkpatch.pl --strict -f FILE checks it",
    )


def test_checkpatch_patches(tree):
    found = patches()
    assert found, "no patches found: the search is broken"
    report(
        checkpatch(tree, IGNORE_PATCH, *[ROOT / f for f in found]), "correct the code in build/tree, then make refresh"
    )


def test_generated(tree, tmp_path):
    """What comes of a netlink specification is what the kernel's generator makes of it."""
    wrong, found = [], 0
    for f in files(".c", ".h", under=("drivers/", "include/")):
        head = re.match(r".*\n/\* Do not edit .*\n/\*\t(\S+) \*/\n/\* YNL-GEN (\w+) (\w+) \*/", (ROOT / f).read_text())
        if not head:
            continue
        found += 1
        spec, mode, kind = head.groups()
        out = tmp_path / os.path.basename(f)
        # The generator finds the root of the kernel by the specification's path.
        run = sh(
            "python3",
            tree / "tools/net/ynl/ynl-gen-c.py",
            "--mode",
            mode,
            f"--{kind}",
            "--spec",
            tree / spec,
            "-o",
            out,
        )
        if run.returncode or not out.exists() or out.read_text() != (ROOT / f).read_text():
            wrong.append(f"{f}: {run.stderr.strip() or 'differs'}")
    assert found >= 3, "no generated files found: the search is broken"
    report(wrong, "edit the specification, and generate: build/tree/tools/net/ynl/ynl-regen.sh")


def test_kernel_doc(tree):
    found = files(".c", ".h", under=OURS)
    run = sh("perl", "scripts/kernel-doc", "-none", "-Wall", "-Werror", *[ROOT / f for f in found], cwd=tree)
    lines = [t.replace(f"{ROOT}/", "") for t in run.stderr.splitlines()]
    report(lines if run.returncode or lines else [], "complete the kernel-doc comment")


def test_docs(tree):
    """The documentation renders, and Sphinx has nothing to say about it."""
    run = sh(ROOT / "scripts/docs")
    report(
        run.stderr.splitlines() if run.returncode or "arning" in run.stderr else [],
        "correct the page or the kernel-doc comment; make docs renders both",
    )
    page = (ROOT / "build/docs/html/driver-api/pci/p2pdma.html").read_text()
    exported = re.findall(
        r"EXPORT_SYMBOL_GPL\((\w+)\)",
        "".join((tree / f).read_text() for f in files(".c", under=("drivers/pci/p2pdma",)) if "/tests/" not in f),
    )
    report(
        [
            f"{name} is not in the documentation"
            for name in exported
            if f'id="c.{name}"' not in page and not name.startswith("__")
        ],
        "have Documentation/driver-api/pci/p2pdma.rst pull its kernel-doc in",
    )


# What sparse and gcc W=1 say about a file of the base counts where a patch put the line there.


def touched(tree):
    """path: set of line numbers that differ from the stripped base."""
    lines: dict[str, set[int]] = defaultdict(set)
    path = ""
    for t in sh("git", "diff", "-U0", "--no-color", "base", cwd=tree).stdout.splitlines():
        if t.startswith("+++ "):
            path = t[6:]
        elif m := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", t):
            lines[path].update(range(int(m[1]), int(m[1]) + int(m[2] or 1)))
    return lines


def is_guard(tree, path, text):
    """Is this what sparse makes of a guard(), of which it does not see the end?"""
    m = re.search(r"context imbalance in '(\w+)' - wrong count at exit", text)
    if not m:
        return False
    body = re.search(rf"^[^\n;]*\b{m[1]}\([^;{{]*\)\n{{.*?^}}", (tree / path).read_text(), re.M | re.S)
    return bool(body and re.search(r"guard\(", body[0]))


@pytest.fixture(scope="session")
def remarks(kernel, tree, progress):
    """[(tool, line)] about our lines, from compiling each of our objects with W=1 and sparse."""
    lab = kernel("lab")
    ours = touched(tree)
    objects = [
        f[:-2] + ".o"
        for f in ours
        if f.endswith(".c") and not f.startswith("tools/") and f not in INCLUDED and (tree / f).exists()
    ]
    lost = [f for f in objects if not (lab / f).exists()]
    assert not lost, f"not part of the lab kernel: enable in configs/lab.config: {' '.join(lost)}"
    out = ROOT / "build/out/lint"
    for f in objects:  # gcc speaks only when it compiles
        (out / f).unlink(missing_ok=True)
    # One at a time: kbuild hands what is in p2pdma/tests/ to the make of p2pdma/ as well, and both would write it.
    progress(
        "build",
        "lab",
        *objects,
        "--out",
        "lint",
        "--make",
        "W=1",
        "--make",
        "C=2",
        "--make",
        "CHECK=sparse",
        "--make=-j1",
    )
    log = (ROOT / "build/out/lint.log").read_text(errors="replace")
    for f in objects:
        assert (
            re.search(rf"^  CC (?:\[M\]|   )  {f}$", log, re.M) and f"  CHECK   {tree}/{f[:-2]}.c" in log
        ), f"{f}: not checked"
    found = []
    # sparse has the path as it is, ccache makes it relative for gcc
    log = log.replace(f"{tree}/", "").replace(f"{os.path.relpath(tree, out)}/", "")
    for t in dict.fromkeys(log.splitlines()):
        m = re.match(r"([\w./-]+):(\d+):(?:(\d+):)? (?:warning|error)", t)
        if m and int(m[2]) in ours.get(m[1], ()) and not is_guard(tree, m[1], t):
            tool = "kernel-doc" if not m[3] else "gcc" if t.endswith("]") else "sparse"
            found.append((tool, t))
    return found


@pytest.mark.parametrize("tool", ["gcc", "sparse", "kernel-doc"])
def test_compile(remarks, tool):
    report([t for by, t in remarks if by == tool], "correct the code; build/out/lint.log has the rest")
