# SPDX-License-Identifier: GPL-2.0-only
"""git, untouched by whatever configuration the user has."""

import os
import re
import shutil
import subprocess

from .advice import words_of_disk
from .common import Fail, write_file

AUTHOR = ('P2PDMA series', 'p2pdma@localhost')
DATE = 1735689600                       # a fixed one, so that hashes repeat on every machine
INDEX_CONFIG = ('-c', 'safe.directory=*', '-c', 'core.preloadIndex=true',
                '-c', 'core.quotePath=false', '-c', 'advice.detachedHead=false')
# The same diff everywhere, whatever git's defaults become.
DIFF = ('--no-color', '--no-ext-diff', '--no-renames', '--diff-algorithm=histogram',
        '--abbrev=12', '--src-prefix=a/', '--dst-prefix=b/', '--indent-heuristic')


class Git:
    """git on one repository; index names another index file than the repository's own."""

    def __init__(self, folder, index=None):
        self.folder = folder
        self.env = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM='1',
                        LC_ALL='C', GIT_TERMINAL_PROMPT='0')
        for name in ('GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE'):
            self.env.pop(name, None)
        if index:
            self.env['GIT_INDEX_FILE'] = str(index)

    def argv(self, *args):
        return ['git', '-C', str(self.folder), *INDEX_CONFIG, *args]

    def bytes(self, *args, data=None, env=None, ok=(0,)):
        if isinstance(data, str):
            data = data.encode()
        given = {'input': data} if data is not None else {'stdin': subprocess.DEVNULL}
        done = subprocess.run(self.argv(*args), capture_output=True, check=False,
                              env={**self.env, **(env or {})}, **given)
        if done.returncode not in ok:
            verb = next(arg for arg in args if re.fullmatch('[a-z][a-z-]+', arg))
            raise git_failure('git %s in %s' % (verb, self.folder),
                              done.stderr.decode('utf-8', 'replace'), self.folder)
        return done.stdout

    def __call__(self, *args, **options):
        return self.bytes(*args, **options).decode('utf-8', 'surrogateescape').strip()

    def lines(self, *args, **options):
        """The output as lines, or as names with -z."""
        text = self.bytes(*args, **options).decode('utf-8', 'surrogateescape')
        return [line for line in text.split('\0' if '-z' in args else '\n') if line]

    def ok(self, *args):
        done = subprocess.run(self.argv(*args), capture_output=True, check=False, env=self.env)
        return done.returncode == 0

    def commit(self, tree, parent, message, number=0):
        """commit-tree as the series' neutral author; number spaces the dates."""
        date = '%d +0000' % (DATE + number)
        who = {'GIT_%s_%s' % (role, part): value for role in ('AUTHOR', 'COMMITTER')
               for part, value in zip(('NAME', 'EMAIL', 'DATE'), (*AUTHOR, date))}
        return self('commit-tree', tree, '-p', parent, data=message, env=who)


class GitError(Fail):
    """git said no."""


def git_failure(what, said, folder):
    """A GitError that says what to do."""
    lines = said.strip().splitlines() or ['no message']
    if help_ := words_of_disk(said, folder):
        return GitError('%s: %s' % (what, help_))
    if lock := re.search(r"'([^']+\.lock)': File exists", said):
        return GitError('%s: another git is at work there: wait for it, or remove %s'
                        % (what, lock[1]))
    return GitError('%s: %s: see what is wrong there' % (what, '; '.join(lines[-3:])))


def init(folder):
    """A repository that never packs, prunes or maintains itself while one works in it."""
    git = Git(folder)
    git('init', '-q', '-b', 'p2pdma')
    for key, value in (('gc.auto', '0'), ('maintenance.auto', 'false'),
                       ('core.logAllRefUpdates', 'true')):
        git('config', key, value)
    return git


def lay_out(git, commit, folder, index):
    """Make folder hold the files of a commit, writing only those that differ from before.

    index is the index file that goes with folder. May be cut short anywhere: run again, with the
    same commit or another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = index.with_name(index.name + '.target')        # there while it is under way
    if target.exists():
        remove_new_files(git, target.read_text(encoding='ascii'), commit, folder)
    write_file(target, git('rev-parse', commit))
    part = index.with_name(index.name + '.p2p')
    part.unlink(missing_ok=True)
    part.with_name(part.name + '.lock').unlink(missing_ok=True)
    if index.exists():
        shutil.copy2(index, part)       # with its time, by which git knows entries that are racy
    other = Git(git.folder, part)
    other('-c', 'checkout.workers=2', '--git-dir=%s/.git' % git.folder, '--work-tree=%s' % folder,
          'read-tree', '--reset', '-u', commit)
    part.rename(index)
    target.unlink()


def remove_new_files(git, half, commit, folder):
    """Take away what a checkout of `half`, cut short, may have added: no index knows of it."""
    if not git.ok('cat-file', '-e', half):                  # not even its name was whole
        return
    for path in git.lines('diff-tree', '-r', '-z', '--no-renames', '--name-only',
                          '--diff-filter=A', commit, half):
        if os.path.lexists(folder / path):
            (folder / path).unlink()
