# SPDX-License-Identifier: GPL-2.0-only
"""Bringing work done in build/tree back to the overlay and the patches.

The branch in build/tree, as the user left it, is the new history; what is not committed is folded
into it first. A path that the base has lives in patches, any other path in the overlay:

  - a new Makefile or Kconfig that several commits add to lives in their patches, too;
  - an edited file of the overlay goes to the overlay, whoever committed the edit;
  - an uncommitted edit of a base file goes to the last commit that touches the file;
  - commits keep their patch if they have one (found by hash, else by subject), or get a new one.

All is written to a staging folder and composed from there; only when that gives exactly the files
in build/tree is it copied to the repository.
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from p2plib import Fail
from p2plib.common import fresh_folder, say, write_file
from p2plib.compose.git import DIFF, Git
from p2plib.compose.series import GROWING, Entry, Series, file_data, file_mode, patch_text, series_text
from p2plib.compose.tree import BRANCH, Tree, inputs_key

# What became of a path: its mode and blob, or GONE
Edit = tuple[str | None, str | None]
GONE: Edit = (None, None)


@dataclass
class Item:
    """A commit of the new history, and what becomes of it."""

    commit: str
    parent: str
    message: str
    changes: dict[str, str]  # path: A, M or D
    entry: Entry | None = None  # the entry of patches/series that it comes from
    folded: dict[str, Edit] = field(default_factory=dict)  # of base paths, not committed
    files: list[str] = field(default_factory=list)  # overlay paths that belong to it
    tree: str = ""  # with what is folded into it and those before
    text: bytes = b""  # its patch file
    name: str = ""

    @property
    def subject(self) -> str:
        return self.message.splitlines()[0].strip() if self.message.strip() else "(no subject)"


class Refresh:
    def __init__(self, tree: Tree, into: str | None = None) -> None:
        self.tree, self.git, self.into = tree, tree.git, into
        self.into_item: Item | None = None
        self.items: list[Item] = []
        self.edited: dict[str, Edit] = {}
        self.in_base: set[str] = set()  # and what grows with the series

    def run(self) -> int | None:
        """Returns the number of commits after it, or None if there was nothing to bring back."""
        self.check_state()
        self.read_history()
        self.read_edits()
        final = self.final_tree()
        series = Series(self.tree.root)
        if self.into and self.into not in [entry.name for entry in series.entries]:
            raise Fail(f"refresh: INTO={self.into} is no patch of the series: see patches/series")
        if inputs_key(series) != self.tree.state.get("inputs"):
            return self.already_there(series, final)
        if not self.edited and self.git("rev-parse", "HEAD") == self.tree.state["head"]:
            return None
        self.match_entries(series)
        self.assign()
        self.make_patches()
        stage = self.write_stage(series)
        staged = Series(stage)
        head, commits = self.tree.compose(staged)
        if self.git("rev-parse", head + "^{tree}") != final:
            raise Fail(
                f"refresh: the patches that it made do not give the files of build/tree; "
                f"nothing was changed: compare {stage}"
            )
        self.publish(series, stage)
        shutil.rmtree(stage)
        self.tree.adopt(Series(self.tree.root), head, commits)
        return len(self.items)

    def check_state(self) -> None:
        state = self.tree.load()
        if not state.get("head") or state.get("switching"):
            raise Fail("refresh: build/tree is not complete: run `make tree` first")
        if any((self.tree.folder / ".git" / name).exists() for name in ("rebase-merge", "rebase-apply")):
            raise Fail("refresh: a rebase is under way in build/tree: finish or abort it")
        if self.git("rev-parse", "--symbolic-full-name", "HEAD") != BRANCH:
            raise Fail("refresh: build/tree is not on its branch: check out p2pdma there")
        if self.git.lines("ls-files", "-u"):
            raise Fail("refresh: build/tree has unresolved conflicts: resolve them there")

    def changed_here(self) -> str:
        """A few of the files that build/tree has changed, for the eye."""
        paths = sorted(self.edited) or self.git.lines("diff", "-z", "--name-only", self.tree.state["head"], "HEAD")
        return ", ".join(paths[:3] + ["..."] * (len(paths) > 3))

    def already_there(self, series: Series, final: str) -> int:
        """The repository changed since the tree was composed: fine if it now says the same."""
        head, commits = self.tree.compose(series)
        if self.git("rev-parse", head + "^{tree}") != final:
            raise Fail(
                f"refresh: both sides changed, build/tree ({self.changed_here()}) and the repository: nothing was "
                "written: put the repository's side aside (git stash), run "
                "make refresh, commit, bring it back (git stash pop)"
            )
        self.tree.adopt(series, head, commits)
        return len(commits)

    # What is in build/tree --------------------------------------------------------------------

    def read_history(self) -> None:
        if not self.git.ok("merge-base", "--is-ancestor", "refs/tags/base", "HEAD"):
            raise Fail("refresh: the branch in build/tree does not start at base: rebase it there")
        for line in self.git.lines("rev-list", "--reverse", "--topo-order", "--parents", "refs/tags/base..HEAD"):
            commit, *parents = line.split()
            if len(parents) != 1:
                raise Fail(f"refresh: build/tree has a merge ({commit[:12]}): rebase it away")
            words = self.git.lines("diff-tree", "-r", "-z", "--no-renames", "--name-status", parents[0], commit)
            message = self.git("log", "-1", "--format=%B", commit) + "\n"
            self.items.append(Item(commit, parents[0], message, dict(zip(words[1::2], words[::2]))))
        self.in_base = set(self.git.lines("ls-tree", "-r", "-z", "--name-only", "refs/tags/base"))
        touched = Counter(path for item in self.items for path in item.changes)
        self.in_base |= {path for path, commits in touched.items() if commits > 1 and Path(path).name in GROWING}

    def read_edits(self) -> None:
        """Uncommitted edits: {path: (mode, blob)}, GONE for a removed file."""
        changed, new = self.tree.edits()
        if new and not self.into:
            raise Fail(
                f"refresh: {new[0]} is new: say which commit it belongs to (INTO=NNNN-name.patch), "
                "or commit it in build/tree (git add -f)"
            )
        for path in changed + new:
            full = self.tree.folder / path
            if full.is_symlink() or full.is_file():
                blob = self.git("hash-object", "-w", "--stdin", data=file_data(full))
                self.edited[path] = (file_mode(full), blob)
            else:
                self.edited[path] = GONE

    def with_edits(self, commit: str, edits: Mapping[str, Edit]) -> str:
        """The tree of a commit with some paths replaced."""
        index = self.tree.folder / ".git" / "p2p-refresh"
        index.unlink(missing_ok=True)
        git = Git(self.tree.folder, index)
        git("read-tree", commit)
        lines = [
            f"0 {'0' * 40}\t{path}\0" if blob is None else f"{mode} {blob}\t{path}\0"
            for path, (mode, blob) in sorted(edits.items())
        ]
        git("update-index", "-z", "--add", "--index-info", data="".join(lines))
        tree = git("write-tree")
        index.unlink()
        return tree

    def final_tree(self) -> str:
        return self.with_edits("HEAD", self.edited)

    # What becomes of it -----------------------------------------------------------------------

    def match_entries(self, series: Series) -> None:
        """Commits find their entry by hash; a commit that was rewritten, by its subject."""
        entries = {entry.name: entry for entry in series.entries}
        by_hash = {commit: name for name, commit in self.tree.state["commits"]}
        for item in self.items:
            item.entry = entries.pop(by_hash.get(item.commit, ""), None)
        for item in self.items:
            same = [entry for entry in entries.values() if entry.patch.subject == item.subject]
            if not item.entry and same:
                item.entry = entries.pop(same[0].name)
        named = [item for item in self.items if item.entry and item.entry.name == self.into]
        if self.into and not named:
            raise Fail(f"refresh: INTO={self.into} has no commit in build/tree any more: name another")
        self.into_item = named[0] if named else None

    def chosen(self, path: str) -> Item:
        """The item that INTO names, which match_entries() has found."""
        if not self.into_item:
            raise Fail(f"refresh: no patch touches {path}: commit the edit in build/tree, or say INTO=NNNN-name.patch")
        return self.into_item

    def assign(self) -> None:
        """Give each base edit and each overlay file the commit that it belongs to."""
        last = {path: item for item in self.items for path in item.changes}
        for path, value in self.edited.items():
            if path not in self.in_base:
                continue
            item = last.get(path) or self.chosen(path)
            item.folded[path] = value
            if self.into and item is not self.into_item:
                say(f'refresh: {path} goes into "{item.subject}", the last patch that touches it, not into INTO=')
        owner: dict[str, Item] = {}
        for item in self.items:
            for path, status in item.changes.items():
                if path in self.in_base:
                    continue
                if status == "D":
                    owner.pop(path, None)
                else:
                    owner.setdefault(path, item)
        for path, (_, blob) in self.edited.items():
            if path in self.in_base:
                continue
            if blob is None:
                owner.pop(path, None)
            elif path not in owner:
                owner[path] = self.chosen(path)
        for path, item in sorted(owner.items()):
            item.files.append(path)

    def make_patches(self) -> None:
        """Patch texts, and the names of the files; commits of which nothing is left go."""
        folded: dict[str, Edit] = {}
        before = "refs/tags/base^{tree}"
        for item in self.items:
            folded.update(item.folded)
            item.tree = self.with_edits(item.commit, folded) if folded else item.commit + "^{tree}"
            item.text = self.patch_of(item, before)
            before = item.tree
        for item in self.items:
            if not item.text and not item.files:
                say(f'refresh: "{item.subject}" changed overlay files only: they have it, no patch is left of it')
        self.items = [item for item in self.items if item.text or item.files]
        for item in self.items:
            item.text = item.text or self.message_only(item)
        name_items(self.items)

    def patch_of(self, item: Item, before: str) -> bytes:
        """The patch file of a commit, or b'' if it changes no base file."""
        known = dict((commit, name) for name, commit in self.tree.state["commits"])
        if item.commit in known and not item.folded and self.at_home(item):  # as it was, to the byte
            assert item.entry
            return self.old_text(item.entry) if item.entry.patch.diff else b""
        diff, stat = self.diff(before, item.tree, set(item.changes) | set(item.folded))
        if not diff:
            return b""
        if item.entry and item.entry.patch.message.strip() == item.message.strip():
            composed = dict(self.tree.state["commits"])[item.entry.name]
            paths = item.entry.patch.paths()
            if paths and self.diff(composed + "^", composed, set(paths))[0] == diff:
                return self.old_text(item.entry)
        return patch_text(item.message, stat, diff)

    def at_home(self, item: Item) -> bool:
        """Whether its patch has what belongs into patches: a Makefile that begins to grow has not been there."""
        assert item.entry
        return set(item.entry.patch.paths()) == self.in_base.intersection(item.changes)

    def message_only(self, item: Item) -> bytes:
        old = item.entry
        if old and not old.patch.diff and old.patch.message.strip() == item.message.strip():
            return self.old_text(old)
        return patch_text(item.message, b"", b"")

    def old_text(self, entry: Entry) -> bytes:
        return (self.tree.root / "patches" / entry.name).read_bytes()

    def diff(self, before: str, after: str, paths: Iterable[str]) -> tuple[bytes, bytes]:
        paths = sorted(path for path in paths if path in self.in_base)
        if not paths:
            return b"", b""
        options = [*DIFF, "-r", before, after, "--", *paths]
        diff = self.git.bytes("--literal-pathspecs", "diff-tree", "-p", *options)
        if b"\nBinary files " in diff or b"\nGIT binary patch" in diff:
            raise Fail(f"refresh: {paths[0]}: a patch cannot hold a binary file: leave it out")
        return diff, self.git.bytes("--literal-pathspecs", "diff-tree", "--stat=72", *options)

    # Writing it -------------------------------------------------------------------------------

    def write_stage(self, series: Series) -> Path:
        stage = fresh_folder(self.tree.build / "refresh")
        entries = []
        for item in self.items:
            write_file(stage / "patches" / item.name, item.text)
            entries.append(new_entry(item))
            for path in item.files:
                self.stage_file(stage / path, path)
        write_file(stage / "patches" / "series", series_text(entries, series.trailer))
        return stage

    def stage_file(self, target: Path, path: str) -> None:
        source = self.tree.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        else:
            shutil.copyfile(source, target)
            target.chmod(0o755 if file_mode(source) == "100755" else 0o644)

    def publish(self, series: Series, stage: Path) -> None:
        """Copy what differs from the staging folder to the repository, remove what is gone."""
        root = self.tree.root
        new = {str(path.relative_to(stage)) for path in stage.rglob("*") if not path.is_dir()}
        old = {"patches/" + entry.name for entry in series.entries} | set(series.overlay)
        for path in sorted(new):
            if copy_if_other(stage / path, root / path):
                say(f"refresh: wrote {path}")
        for path in sorted(old - new):
            (root / path).unlink()
            say(f"refresh: removed {path}")


def copy_if_other(source: Path, target: Path) -> bool:
    """Returns True if the target was another and is now as the source."""
    if target.exists() and file_mode(source) == file_mode(target) and file_data(source) == file_data(target):
        return False
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.readlink())
    else:
        write_file(target, source.read_bytes())
        target.chmod(source.stat().st_mode & 0o777)
    return True


def new_entry(item: Item) -> Entry:
    """The entry of patches/series for an item, written as close to the old one as possible."""
    entry = Entry(item.name, list(item.entry.comments) if item.entry else [])
    covered: set[str] = set()
    for token in item.entry.tokens if item.entry else ():
        below = {path for path in item.files if path == token or token.endswith("/") and path.startswith(token)}
        if below:
            entry.tokens.append(token)
            covered |= below
    entry.tokens += [path for path in item.files if path not in covered]
    return entry


def name_items(items: Sequence[Item]) -> None:
    """Old names stay while their numbers rise; a new patch gets the number between, or all move."""
    names, number = [], 0
    for item in items:
        number = int(item.entry.name[:4]) if item.entry else number + 1
        stem = item.entry.name[5:] if item.entry else slug(item.subject) + ".patch"
        names.append((number, stem))
    numbers = [number for number, _ in names]
    if any(a >= b for a, b in zip(numbers, numbers[1:])):
        names = [(position, stem) for position, (_, stem) in enumerate(names, 1)]
    for item, (number, stem) in zip(items, names):
        item.name = f"{number:04d}-{stem}"


def slug(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:52].strip("-") or "patch"
