# SPDX-License-Identifier: GPL-2.0-only
"""build/tree: the stripped base, and on top of it a commit for each entry of the series.

A git repository: tags `stock` and `base`, branch `p2pdma`. Its .git/p2p-state remembers what it
was made from. Whatever is cut short is either not referenced yet, or marked as under way in
the state and done again.
"""

import hashlib
import json
import os
from pathlib import Path
from collections.abc import Iterable
from typing import Any

from p2plib import ROOT, Fail
from p2plib.base import csource, fetch, kinds, rules, source as sources, strip
from p2plib.common import fresh_folder, need_space, replace_folder, say, write_file
from p2plib.compose import imported
from p2plib.compose.git import Git, init, lay_out
from p2plib.compose.imported import import_base, take_import
from p2plib.compose.series import Series, file_data, Entry
from p2plib.base.source import Source

BRANCH = "refs/heads/p2pdma"
NOT_CLEAN = "build/tree: %s: bring them back with `make refresh`, or throw them away with " "`make tree FORCE=1`"
TREE_MIB = 3000  # the tree and its .git, measured: 1900
# Leavings of editors, patch and compilers are not edits.
LEAVINGS = ("*.o", "*.a", "*.ko", "*.cmd", "*.mod", "*.orig", "*.rej", "*~", "*.swp", "*.pyc")


# What the stripped base depends on, besides the source
BASE_CODE = (csource, kinds, rules, strip, sources, imported)


def digest(parts: Iterable[object]) -> str:
    state = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        state.update(b"%d:" % len(data) + data)
    return state.hexdigest()


def inputs_key(series: Series) -> str:
    """Changes when patches or overlay do."""
    return digest(part for pair in series.inputs() for part in pair)


class Tree:
    def __init__(self, root: Path = ROOT, build: Path | None = None, base_file: fetch.Base | None = None) -> None:
        self.root = Path(root)
        self.build = Path(build or self.root / "build")
        self.folder = self.build / "tree"
        self.base_file = base_file or fetch.Base.read(self.root)
        self.git = Git(self.folder)
        self.state_file = self.folder / ".git" / "p2p-state"
        self.state: dict[str, Any] = {}

    # What it was made from ------------------------------------------------------------------

    def load(self) -> dict[str, Any]:
        try:
            self.state = json.loads(self.state_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            self.state = {}
        return self.state

    def save(self, **changes: Any) -> None:
        self.state.update(changes)
        write_file(self.state_file, json.dumps(self.state, indent=1))

    def base_key(self, source: Source) -> str:
        return digest([source.key, *(Path(module.__file__ or "").read_bytes() for module in BASE_CODE)])

    def series_key(self, series: Series) -> str:
        return digest([self.state.get("base", ""), inputs_key(series), Path(__file__).read_bytes()])

    # The state of the user's work in it -------------------------------------------------------

    def edits(self) -> tuple[list[str], list[str]]:
        """(changed tracked files, new files) in the work tree."""
        self.git("update-index", "-q", "--refresh", ok=(0, 1))
        changed = self.git.lines("diff-index", "-z", "--name-only", "HEAD")
        options = [word for pattern in LEAVINGS for word in ("-x", pattern)]
        return changed, self.git.lines("ls-files", "-z", "--others", *options)

    def why_not_clean(self) -> str | None:
        """What of the user's work in build/tree is not in the repository yet, or None."""
        if not self.state.get("head") or self.state.get("switching"):
            return None
        if any((self.folder / ".git" / name).exists() for name in ("rebase-merge", "rebase-apply")):
            return "a rebase is under way in it"
        if self.git("rev-parse", "--symbolic-full-name", "HEAD") != BRANCH:
            return "another branch than p2pdma is checked out in it"
        if self.git("rev-parse", "HEAD") != self.state["head"]:
            return "it has commits of its own"
        changed, new = self.edits()
        if changed or new:
            return f"it has edits ({', '.join((changed + new)[:3])})"
        return None

    def refuse_if_dirty(self) -> None:
        why = None if os.environ.get("FORCE") else self.why_not_clean()
        if why:
            raise Fail(NOT_CLEAN % why)

    def throw_away_edits(self) -> None:
        """What checking out a commit does not undo."""
        if any((self.folder / ".git" / name).exists() for name in ("rebase-merge", "rebase-apply")):
            self.git("rebase", "--quit")
        for path in self.edits()[1]:
            (self.folder / path).unlink()

    # Making it --------------------------------------------------------------------------------

    def update(self) -> bool:
        """Compose; returns True if anything had to be done."""
        self.load()
        source = fetch.source(self.base_file, self.build)
        series = Series(self.root)
        base_key = self.base_key(source)
        force = bool(os.environ.get("FORCE"))
        same_base = self.state.get("base_key") == base_key
        if (
            same_base
            and not force
            and not self.state.get("switching")
            and self.state.get("series_key") == self.series_key(series)
        ):
            return False
        self.refuse_if_dirty()
        if not same_base:
            self.make_base(source, base_key)
        head, commits = self.compose(series)
        self.check_out(head)
        self.composed(series, commits)
        return True

    def make_base(self, source: Source, key: str) -> None:
        self.build.mkdir(parents=True, exist_ok=True)
        need_space(self.build, TREE_MIB)
        source.check(self.base_file.series)
        say(f"tree: stripping {source.label} (about a minute, once)")
        package, _, version = source.label.partition(" ")
        if package == self.base_file.package and version not in self.base_file.verified:
            say(f"tree: {version} is not among the versions tried (BASE); it says so if it does not fit")
        if self.state:
            version = import_base(self.folder, source, self.base_file.series)
            self.save(base_key="", series_key="")  # from here on the old base is no more
            self.note_base(source, key, version)
            return
        if self.folder.exists():
            raise Fail(f"{self.folder} is not from here (it has no .git/p2p-state): move it away")
        part = fresh_folder(self.folder)
        self.git, self.state_file = init(part), part / ".git" / "p2p-state"
        version = import_base(part, source, self.base_file.series)
        self.note_base(source, key, version)
        replace_folder(part, self.folder)
        self.git, self.state_file = Git(self.folder), self.folder / ".git" / "p2p-state"

    def note_base(self, source: Source, key: str, version: str) -> None:
        take_import(self.git)
        self.save(base_key=key, base=self.git("rev-parse", "refs/tags/base"), version=version, label=source.label)

    def compose(self, series: Series) -> tuple[str, list[list[str]]]:
        """Commit the series on the base: (the last commit, [[name, commit], ...])."""
        index = self.folder / ".git" / "p2p-series"
        index.with_name(index.name + ".lock").unlink(missing_ok=True)
        git = Git(self.folder, index)
        parent = git("rev-parse", "refs/tags/base")
        git("read-tree", parent)
        commits = []
        for number, entry in enumerate(series.entries, 1):
            parent = self._commit(git, series, entry, number, parent)
            commits.append([entry.name, parent])
        return parent, commits

    def _commit(self, git: Git, series: Series, entry: Entry, number: int, parent: str) -> str:
        if entry.patch.diff:
            try:
                git("apply", "--cached", "--whitespace=nowarn", data=entry.patch.diff)
            except Fail as error:
                raise Fail(
                    f"patches/{entry.name} does not apply to {self.state.get('label')} ({reason(error)}): correct it"
                ) from None
        lines = []
        for path in entry.files:
            if git.ok("cat-file", "-e", "refs/tags/base:" + path):
                raise Fail(f"{path} is a file of the base: change it with a patch")
            blob = git("hash-object", "-w", "--stdin", data=file_data(series.root / path))
            lines.append(f"{series.overlay[path]} {blob}\t{path}\0")
        if lines:
            git("update-index", "-z", "--add", "--index-info", data="".join(lines))
        return git.commit(git("write-tree"), parent, entry.patch.message, number)

    def check_out(self, head: str) -> None:
        """Bring branch and work tree to a commit, touching only the files that differ."""
        if os.environ.get("FORCE") and self.state.get("head"):
            self.throw_away_edits()
        self.save(switching=head, series_key="")
        self.git("symbolic-ref", "HEAD", BRANCH)
        lay_out(self.git, head, self.folder, self.folder / ".git" / "index")
        self.git("update-ref", "-m", "make tree", BRANCH, head)
        self.save(switching="", head=head)

    def composed(self, series: Series, commits: list[list[str]]) -> None:
        self.save(series_key=self.series_key(series), inputs=inputs_key(series), commits=commits)

    def adopt(self, series: Series, head: str, commits: list[list[str]]) -> None:
        """The work tree already holds what the commit has: make branch and index say so."""
        self.git("symbolic-ref", "HEAD", BRANCH)
        self.git("update-ref", "-m", "make refresh", BRANCH, head)
        changed, new = self.edits()
        self.git(
            "update-index", "-z", "--add", "--remove", "--stdin", data="".join(path + "\0" for path in changed + new)
        )
        self.git("read-tree", "-m", head)
        self.git("update-index", "-q", "--refresh", ok=(0, 1))
        self.save(head=head)
        self.composed(series, commits)

    def summary(self) -> str:
        return f"tree: {self.state['label']}, {len(self.state['commits'])} commits on it, in build/tree"

    def lay_stock(self) -> Path:
        """build/stock/linux: the base as it came."""
        folder = self.build / "stock" / "linux"
        mark = folder.parent / ".commit"
        commit = self.git("rev-parse", "refs/tags/stock")
        if mark.exists() and mark.read_text(encoding="ascii") == commit:
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        need_space(folder, 1700)
        lay_out(self.git, commit, folder, folder.parent / ".index")
        write_file(mark, commit)
        return folder


def reason(error: Fail) -> str:
    """git's own words out of a failure of Git: 'patch failed: mm/gup.c:12'."""
    words = [part.strip() for part in str(error).split("; ") if "error:" in part]
    return words[0].split("error:")[-1].strip() if words else str(error)
