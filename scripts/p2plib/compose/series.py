# SPDX-License-Identifier: GPL-2.0-only
"""The series: patches/series, the patches, and the overlay files that belong to each commit."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from p2plib import Fail

# A file of the repository is part of the kernel when it stands in one of the kernel's folders.
# scripts/ is the project's: the kernel's own is only ever patched.
KERNEL_FOLDERS = frozenset(
    "arch block certs crypto Documentation drivers fs include init io_uring ipc kernel lib "
    "LICENSES mm net rust samples security sound tools usr virt".split()
)

# What may grow from commit to commit: each has the lines for what is there by then.  Such a file is in patches only.
GROWING = frozenset(("Makefile", "Kconfig"))

NAME = re.compile(r"(\d{4})-[a-z0-9][a-z0-9._-]*\.patch")


def overlay_files(root: Path) -> dict[str, str]:
    """Every file of the overlay: {path: git mode}."""
    if (root / ".git").exists():
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Fail(f"{root}: git cannot list its files ({done.stderr.decode().strip()}): repair the repository")
        names = done.stdout.decode().split("\0")
    else:
        names = [
            str(path.relative_to(root)) for folder in sorted(KERNEL_FOLDERS) for path in (root / folder).rglob("*")
        ]
    return {
        name: file_mode(root / name)
        for name in sorted(set(names))
        if name.split("/")[0] in KERNEL_FOLDERS
        and "/" in name
        and "__pycache__" not in name
        and ((root / name).is_file() or (root / name).is_symlink())
    }


def file_mode(path: Path) -> str:
    if path.is_symlink():
        return "120000"
    return "100755" if path.stat().st_mode & 0o100 else "100644"


def file_data(path: Path) -> bytes:
    return os.readlink(path).encode() if path.is_symlink() else path.read_bytes()


class Patch:
    """A file of patches/: the message and the diff (or b'')."""

    def __init__(self, text: bytes, name: str) -> None:
        head, _, rest = text.partition(b"\n\n")
        headers = re.sub(rb"\n[ \t]+", b" ", head).decode()
        subject = re.search(r"^Subject: *(?:\[PATCH[^]]*\] *)?(.*)$", headers, re.M)
        if not subject or not subject[1].strip():
            raise Fail(f"patches/{name} has no `Subject: [PATCH] ...` line: add one on top")
        if re.search(r"^From:", headers, re.M):
            raise Fail(f"patches/{name} has a From: line: take it out, who exports the series signs it")
        self.subject = subject[1].strip()
        body = re.split(rb"(?m)^---$|^diff --git |^--- ", rest, maxsplit=1)[0]
        self.body = body.decode().strip()
        start = re.search(rb"(?m)^diff --git |^--- [^\n]+\n\+\+\+ ", text)
        diff = text[start.start() :] if start else b""
        self.diff = re.sub(rb"(?m)^-- \n[^\n]*\n*\Z", b"", diff)

    @property
    def message(self) -> str:
        return self.subject + "\n" + (f"\n{self.body}\n" if self.body else "")

    def paths(self) -> list[str]:
        """The files that the diff changes."""
        return sorted({match[1].decode() for match in re.finditer(rb"(?m)^(?:---|\+\+\+) [ab]/([^\t\n]+)", self.diff)})

    def new_files(self) -> list[str]:
        return [match[1].decode() for match in re.finditer(rb"(?m)^--- /dev/null\n\+\+\+ b/([^\t\n]+)", self.diff)]


def patch_text(message: str, stat: bytes, diff: bytes) -> bytes:
    """A patch file: format-patch style, without the lines that name a person or a moment."""
    subject, _, body = message.strip().partition("\n")
    text = f"Subject: [PATCH] {subject.strip()}\n"
    if body.strip():
        text += "\n" + body.strip("\n") + "\n"
    data = text.encode() + b"---\n"
    return data + stat + b"\n" + diff if diff else data


@dataclass
class Entry:
    """A commit of the series: its patch, and the overlay files that come with it."""

    name: str
    comments: list[str] = field(default_factory=list)  # lines above it in patches/series
    tokens: list[str] = field(default_factory=list)  # paths and folders/ as written there
    files: list[str] = field(default_factory=list)  # overlay paths, in order
    patch: Patch = field(init=False, repr=False)  # as soon as it is known to be there


class Series:
    """All of it, checked."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.folder = self.root / "patches"
        self.entries: list[Entry] = []
        self.trailer: list[str] = []
        try:
            lines = (self.folder / "series").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise Fail("no patches/series: restore it with git checkout") from None
        self._parse(lines)
        self.overlay = overlay_files(self.root)
        self._check_names()
        self._assign_files()
        for entry in self.entries:
            entry.patch = Patch((self.folder / entry.name).read_bytes(), entry.name)
            self._check_patch(entry)

    def _parse(self, lines: Sequence[str]) -> None:
        comments: list[str] = []
        for number, line in enumerate(lines, 1):
            word = line.split("#")[0].strip()
            if not word:
                comments.append(line)
            elif not line[0].isspace():
                if not NAME.fullmatch(word):
                    raise Fail(f"patches/series:{number}: {word!r} is not NNNN-name.patch: rename it")
                self.entries.append(Entry(word, comments))
                comments = []
            elif not self.entries:
                raise Fail(f"patches/series:{number}: {word} stands before the first patch: move it under one")
            else:
                self.entries[-1].tokens.append(word)
        self.trailer = comments

    def _check_names(self) -> None:
        names = [entry.name for entry in self.entries]
        for name in names:
            if names.count(name) > 1:
                raise Fail(f"patches/series names {name} twice: remove one")
            if not (self.folder / name).exists():
                raise Fail(f"patches/series names {name}, which is not there: add it or take it out")
        for path in sorted(self.folder.glob("*.patch")):
            if path.name not in names:
                raise Fail(f"patches/{path.name} is not in patches/series: list it or remove it")

    def _assign_files(self) -> None:
        owner: dict[str, Entry] = {}
        for entry in self.entries:
            for token in entry.tokens:
                if token.endswith("/"):
                    continue
                if token not in self.overlay:
                    raise Fail(f"patches/series: {entry.name} lists {token}, which is not there: add it or take it out")
                if token in owner:
                    raise Fail(
                        f"patches/series: {token} is listed twice, under {owner[token].name} and {entry.name}: keep one"
                    )
                owner[token] = entry
        self._assign_folders(owner)
        unlisted = [path for path in self.overlay if path not in owner]
        if unlisted:
            raise Fail(
                (f"{unlisted[0]} (and {len(unlisted) - 1} more) is in no commit: list it in patches/series")
                if len(unlisted) > 1
                else f"{unlisted[0]} is in no commit: list it in patches/series"
            )
        for path, entry in sorted(owner.items()):
            entry.files.append(path)

    def _assign_folders(self, owner: dict[str, Entry]) -> None:
        """A token `folder/` takes the files under it that nobody names or took before."""
        for entry in self.entries:
            for token in entry.tokens:
                if not token.endswith("/"):
                    continue
                below = [path for path in self.overlay if path.startswith(token)]
                if not below:
                    raise Fail(f"patches/series: {entry.name} lists {token}, which is empty: take it out")
                for path in below:
                    owner.setdefault(path, entry)

    def _check_patch(self, entry: Entry) -> None:
        if not entry.patch.diff and not entry.files:
            raise Fail(f"patches/{entry.name} has no diff and no new files: give it one or take it out")
        for path in entry.patch.new_files():
            if Path(path).name in GROWING and path not in self.overlay:
                continue
            raise Fail(f"patches/{entry.name} creates {path}: put the file there, and list it in patches/series")
        for path in entry.patch.paths():
            if path in self.overlay:
                raise Fail(f"patches/{entry.name} changes {path}, a file of ours: edit the file itself")

    def inputs(self) -> Iterator[tuple[str, bytes]]:
        """Everything that the composed tree is made of: (name, bytes)."""
        for name in ["series"] + [entry.name for entry in self.entries]:
            yield "patches/" + name, (self.folder / name).read_bytes()
        for path, mode in self.overlay.items():
            yield f"{mode} {path}", file_data(self.root / path)


def series_text(entries: Iterable[Entry], trailer: Iterable[str] = ()) -> str:
    """patches/series as text again."""
    lines = []
    for entry in entries:
        lines += entry.comments + [entry.name] + ["\t" + token for token in entry.tokens]
    return "\n".join(lines + list(trailer)) + "\n"
