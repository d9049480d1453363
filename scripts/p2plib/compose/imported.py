# SPDX-License-Identifier: GPL-2.0-only
"""The base: reading a source once, stripping it, and laying it down as two git commits."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from p2plib.base import strip
from p2plib.base.source import WHOLE, check_series, not_whole, Source, File
from p2plib.compose.git import AUTHOR, DATE, Git, git_failure
from p2plib import Fail

REFS = {1: "refs/import/stock", 2: "refs/import/base"}


# Of each file that the rules touch: what is in it then, or None if it goes
Changed = dict[str, bytes | None]


class StrippedBase:
    """Reads a source's files; pass them on with each(), then finish() applies the rules.

    Memory holds only the files that the rules touch; the trace check is made on the way.
    """

    def __init__(self, source: Source, series: str = "6.12", keep: Iterable[str] = ()) -> None:
        self.source, self.series = source, series
        self.ruled = strip.ruled_files()
        self.keep = set(keep) | self.ruled | set(WHOLE)
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, str] = {}
        self.traces: list[str] = []
        self.version = ""

    def each(self) -> Iterator[File]:
        """(path, mode, data) of the stock tree, while noting what the strip needs."""
        for path, mode, data in self.source.entries():
            if path in self.keep:
                self.files[path], self.modes[path] = data, mode
            if path == "Makefile":
                self._check_version(data)
            if path not in self.ruled and mode != "120000":
                trace = strip.trace_in(path, data)
                if trace:
                    self.traces.append(trace)
            yield path, mode, data
        for path in WHOLE:
            if path not in self.files:
                raise not_whole(self.source.path, path)

    def _check_version(self, data: bytes) -> None:
        self.version = check_series(data.decode("utf-8", "replace"), self.source.path, self.series)

    def _read(self, path: str) -> str | None:
        data = self.files.get(path)
        return None if data is None else data.decode()

    def finish(self, check: bool = True) -> Changed:
        """{path: stripped bytes, or None for a file that goes}; a Fail if a rule does not fit."""
        changed = strip.strip_files(self._read, self.version)
        result = {path: None if text is None else text.encode() for path, text in changed.items()}
        if check:
            self.check_traces(result)
        return result

    def check_traces(self, changed: Changed) -> None:
        left = self.traces + [
            trace
            for path, data in sorted(changed.items())
            if data is not None and (trace := strip.trace_in(path, data))
        ]
        if left:
            raise strip.at_fault(f"{self.version}: traces left in {len(left)} files, the first {left[0]}")


class FastImport:
    """A `git fast-import` that commits whole trees. ^C is for us to see, who then abort() it."""

    def __init__(self, git: Git) -> None:
        self.repo = git.folder
        self.process = subprocess.Popen(
            git.argv(
                "-c",
                "core.compression=1",
                "-c",
                "pack.compression=1",
                "fast-import",
                "--quiet",
                "--force",
                "--done",
                "--depth=0",
                "--date-format=raw",
            ),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=git.env,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stderr
        self.out, self.said = self.process.stdin, self.process.stderr

    def _data(self, data: bytes) -> None:
        self.out.write(b"data %d\n" % len(data))
        self.out.write(data)
        self.out.write(b"\n")

    def commit(self, mark: int, message: str, parent: int | None = None) -> None:
        self.out.write(
            b"commit %s\nmark :%d\ncommitter %s <%s> %d +0000\n"
            % (REFS[mark].encode(), mark, AUTHOR[0].encode(), AUTHOR[1].encode(), DATE)
        )
        self._data(message.encode())
        if parent:
            self.out.write(b"from :%d\n" % parent)

    def file(self, path: str, mode: str, data: bytes) -> None:
        self.out.write(b"M %s inline %s\n" % (mode.encode(), path.encode()))
        self._data(data)

    def delete(self, path: str) -> None:
        self.out.write(b"D %s\n" % path.encode())

    def close(self) -> None:
        self.out.write(b"done\n")
        self.out.close()
        if self.process.wait():
            raise BrokenPipeError

    def failed(self) -> Fail:
        """It ended before we did: the reason, in its own words."""
        self.process.wait()
        said = self.said.read().decode("utf-8", "replace")
        return git_failure("git fast-import", said, self.repo)

    def abort(self) -> None:
        """Stop it if it still runs: without its end, none of its commits exist."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        try:
            self.out.close()
        except BrokenPipeError:
            pass
        self.said.close()


def import_base(repo: Path, source: Source, series: str = "6.12") -> str:
    """Put stock and stripped base under refs/import in a repo; returns the kernel version.

    Nothing but loose ends that git ignores is left behind when this is cut short or fails.
    """
    sweep(repo)
    base, out = StrippedBase(source, series), FastImport(Git(repo))
    try:
        _write_commits(out, base)
    except BrokenPipeError:
        raise out.failed() from None
    finally:
        out.abort()
        sweep(repo)
    return base.version


def sweep(repo: Path) -> None:
    """Remove what an import that was cut short leaves, as large as the kernel."""
    for pattern in ("objects/pack/tmp_*", "fast_import_crash_*"):
        for loose in (repo / ".git").glob(pattern):
            loose.unlink(missing_ok=True)


def take_import(git: Git) -> None:
    """Make the tags stock and base those of the import, both or neither."""
    git(
        "update-ref",
        "--stdin",
        data="".join(
            f"update refs/tags/{ref.split('/')[-1]} {git('rev-parse', ref)}\ndelete {ref}\n" for ref in REFS.values()
        ),
    )


def _write_commits(out: FastImport, base: StrippedBase) -> None:
    label = base.source.label
    out.commit(1, f"{label}\n")
    for path, mode, data in base.each():
        out.file(path, mode, data)
    changed = base.finish()
    out.commit(2, f"{label} without its own P2PDMA\n", parent=1)
    for path, left in sorted(changed.items()):
        if left is None:
            out.delete(path)
        else:
            out.file(path, base.modes[path], left)
    out.close()
