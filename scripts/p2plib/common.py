# SPDX-License-Identifier: GPL-2.0-only
"""What all parts need: words, processes, room on the disk, files that appear whole or not at all."""

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from collections.abc import Sequence, Iterator
from pathlib import Path
from typing import Any

from p2plib import Fail
from p2plib.advice import no_command


def say(text: str) -> None:
    print(f"p2p: {text}", flush=True)


def run(argv: Sequence[str | Path], what: str, **options: Any) -> bytes:
    """Run a command; on failure say what it was for, with the last line it wrote."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    try:
        result = subprocess.run(argv, check=False, **options)
    except FileNotFoundError:
        raise Fail(f"{what}: {no_command(str(argv[0]))}") from None
    if result.returncode:
        last = (result.stderr or b"").decode("utf-8", "replace").strip().splitlines() or [""]
        raise Fail(f"{what}: {os.path.basename(argv[0])} failed ({last[-1]})")
    return result.stdout


def need_space(folder: Path | str, mib: int) -> None:
    """Refuse early when the disk cannot hold what comes. Where no Python is yet, common.sh has the same."""
    free = shutil.disk_usage(folder).free >> 20
    if free < mib:
        raise Fail(f"{folder} has {free} MiB free, {mib} MiB are needed: free some space")


def write_file(path: Path, data: str | bytes) -> None:
    """Write text or bytes so that the file is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data.encode() if isinstance(data, str) else data)
    if path.exists():
        part.chmod(path.stat().st_mode & 0o777)
    part.rename(path)


def fresh_folder(path: Path) -> Path:
    """An empty folder beside path, to be filled and renamed over it with replace_folder()."""
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def replace_folder(part: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked(build: Path, name: str = ".lock") -> Iterator[None]:
    """One at a time: two runs in one build folder would undo each other."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / name, "a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run in {build}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read():  # whoever wrote that was killed, or killed its git
            break_git_locks(build / "tree" / ".git")
        file.truncate(0)
        file.write("under way\n")
        file.flush()
        try:
            yield
        except Exception:
            file.truncate(0)
            raise
        # Not after ^C and SIGTERM: they end a git that is not quick enough with SIGKILL.
        file.truncate(0)


def break_git_locks(git: Path) -> None:
    """git takes its locks away when it ends, but not when it is killed."""
    for lock in [*git.glob("*.lock"), *git.glob("refs/**/*.lock")]:
        lock.unlink(missing_ok=True)
