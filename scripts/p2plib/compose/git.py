# SPDX-License-Identifier: GPL-2.0-only
"""git, untouched by whatever configuration the user has."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Container
from pathlib import Path
from typing import Any

from p2plib import Fail
from p2plib.advice import words_of_disk
from p2plib.common import write_file

AUTHOR = ("P2PDMA series", "p2pdma@localhost")
DATE = 1735689600  # a fixed one, so that hashes repeat on every machine
INDEX_CONFIG = (
    "-c",
    "safe.directory=*",
    "-c",
    "core.preloadIndex=true",
    "-c",
    "core.quotePath=false",
    "-c",
    "advice.detachedHead=false",
)
# The same diff everywhere, whatever git's defaults become.
DIFF = (
    "--no-color",
    "--no-ext-diff",
    "--no-renames",
    "--diff-algorithm=histogram",
    "--abbrev=12",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--indent-heuristic",
)


class Git:
    """git on one repository; index names another index file than the repository's own."""

    def __init__(self, folder: Path, index: Path | None = None) -> None:
        self.folder = folder
        self.env = dict(
            os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", LC_ALL="C", GIT_TERMINAL_PROMPT="0"
        )
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            self.env.pop(name, None)
        if index:
            self.env["GIT_INDEX_FILE"] = str(index)

    def argv(self, *args: str) -> list[str]:
        return ["git", "-C", str(self.folder), *INDEX_CONFIG, *args]

    def bytes(
        self,
        *args: str,
        data: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: Container[int] = (0,),
    ) -> bytes:
        if isinstance(data, str):
            data = data.encode()
        # Nothing to read is not the terminal.
        done = subprocess.run(
            self.argv(*args), capture_output=True, check=False, input=data or b"", env={**self.env, **(env or {})}
        )
        if done.returncode not in ok:
            verb = next(arg for arg in args if re.fullmatch("[a-z][a-z-]+", arg))
            raise git_failure(f"git {verb} in {self.folder}", done.stderr.decode("utf-8", "replace"), self.folder)
        return done.stdout

    def __call__(self, *args: str, **options: Any) -> str:
        return self.bytes(*args, **options).decode("utf-8", "surrogateescape").strip()

    def lines(self, *args: str, **options: Any) -> list[str]:
        """The output as lines, or as names with -z."""
        text = self.bytes(*args, **options).decode("utf-8", "surrogateescape")
        return [line for line in text.split("\0" if "-z" in args else "\n") if line]

    def ok(self, *args: str) -> bool:
        done = subprocess.run(self.argv(*args), capture_output=True, check=False, env=self.env)
        return done.returncode == 0

    def commit(self, tree: str, parent: str, message: str, number: int = 0) -> str:
        """commit-tree as the series' neutral author; number spaces the dates."""
        date = f"{DATE + number} +0000"
        who = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in zip(("NAME", "EMAIL", "DATE"), (*AUTHOR, date))
        }
        return self("commit-tree", tree, "-p", parent, data=message, env=who)


def git_failure(what: str, said: str, folder: Path) -> Fail:
    """A Fail that says what to do."""
    lines = said.strip().splitlines() or ["no message"]
    if help_ := words_of_disk(said, folder):
        return Fail(f"{what}: {help_}")
    if lock := re.search(r"'([^']+\.lock)': File exists", said):
        return Fail(f"{what}: another git is at work there: wait for it, or remove {lock[1]}")
    return Fail(f"{what}: {'; '.join(lines[-3:])}: see what is wrong there")


def init(folder: Path) -> Git:
    """A repository that never packs, prunes or maintains itself while one works in it."""
    git = Git(folder)
    git("init", "-q", "-b", "p2pdma")
    for key, value in (("gc.auto", "0"), ("maintenance.auto", "false"), ("core.logAllRefUpdates", "true")):
        git("config", key, value)
    return git


def lay_out(git: Git, commit: str, folder: Path, index: Path) -> None:
    """Make folder hold the files of a commit, writing only those that differ from before.

    index is the index file that goes with folder. May be cut short anywhere: run again, with the
    same commit or another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = index.with_name(index.name + ".target")  # there while it is under way
    if target.exists():
        remove_new_files(git, target.read_text(encoding="ascii"), commit, folder)
    write_file(target, git("rev-parse", commit))
    part = index.with_name(index.name + ".p2p")
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".lock").unlink(missing_ok=True)
    if index.exists():
        shutil.copy2(index, part)  # with its time, by which git knows entries that are racy
    other = Git(git.folder, part)
    other(
        "-c",
        "checkout.workers=2",
        f"--git-dir={git.folder}/.git",
        f"--work-tree={folder}",
        "read-tree",
        "--reset",
        "-u",
        commit,
    )
    part.rename(index)
    target.unlink()


def remove_new_files(git: Git, half: str, commit: str, folder: Path) -> None:
    """Take away what a checkout of `half`, cut short, may have added: no index knows of it."""
    if not git.ok("cat-file", "-e", half):  # not even its name was whole
        return
    for path in git.lines("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=A", commit, half):
        if os.path.lexists(folder / path):
            (folder / path).unlink()
