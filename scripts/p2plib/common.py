# SPDX-License-Identifier: GPL-2.0-only
"""Errors, processes, places, and files that appear whole or not at all."""

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from .advice import no_command, os_error

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'base'))      # strip.py and what belongs to it


class Fail(Exception):
    """What is wrong: what to do."""


def main_guard(main):
    """Run main(argv); a Fail becomes one line and exit status 1, ^C a quiet 130."""
    try:
        sys.exit(main(sys.argv[1:]) or 0)
    except Fail as error:
        print('p2p: %s' % error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print('p2p: interrupted: run it again, it starts where it can', file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print('p2p: %s' % os_error(error), file=sys.stderr)
        sys.exit(1)


def say(text):
    print('p2p: %s' % text, flush=True)


def run(argv, what, **options):
    """Run a command; on failure say what it was for, with the last line it wrote."""
    options.setdefault('stdout', subprocess.PIPE)
    options.setdefault('stderr', subprocess.PIPE)
    try:
        result = subprocess.run(argv, check=False, **options)
    except FileNotFoundError:
        raise Fail('%s: %s' % (what, no_command(argv[0]))) from None
    if result.returncode:
        last = (result.stderr or b'').decode('utf-8', 'replace').strip().splitlines() or ['']
        raise Fail('%s: %s failed (%s)' % (what, os.path.basename(argv[0]), last[-1]))
    return result.stdout


def need_space(folder, gigabytes):
    """Refuse early when the disk cannot hold what comes."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise Fail('%s has %.1f GB free, %.1f GB are needed: make room' % (folder, free, gigabytes))


def write_file(path, data):
    """Write text or bytes so that the file is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name('.%s.part' % path.name)
    part.write_bytes(data.encode() if isinstance(data, str) else data)
    if path.exists():
        part.chmod(path.stat().st_mode & 0o777)
    part.rename(path)


def fresh_folder(path):
    """An empty folder beside path, to be filled and renamed over it with replace_folder()."""
    part = path.with_name('.%s.part' % path.name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def replace_folder(part, path):
    old = path.with_name('.%s.old' % path.name)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked(build, name='.lock'):
    """One at a time: two runs in one build folder would undo each other."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / name, 'a+', encoding='ascii') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('waiting for another run in %s' % build)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read():                 # whoever wrote that was killed
            break_git_locks(build / 'tree' / '.git')
        file.truncate(0)
        file.write('under way\n')
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def break_git_locks(git):
    """git takes its locks away when it ends, but not when it is killed."""
    for lock in [*git.glob('*.lock'), *git.glob('refs/**/*.lock')]:
        lock.unlink(missing_ok=True)
