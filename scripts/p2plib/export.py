# SPDX-License-Identifier: GPL-2.0-only
"""The mailable series, the net difference to the stock base, and a build of each commit."""

import os
import re
import subprocess
import textwrap
import time

from . import common
from .common import Fail, fresh_folder, replace_folder, say
from .git import DIFF, lay_out
from .series import Patch

REPRODUCE = '''\
How to get this base: base-commit is {label} with its own P2PDMA taken out. The
repository of this series makes the same commit, hash included, from that source: `make tree` lays
it at build/tree, tag `base`. For an unchanged {version} there is the net difference instead
(`make series NET=1`).'''


def identity():
    """The git identity of who exports, as GIT_AUTHOR_* and GIT_COMMITTER_*."""
    env = dict(os.environ, LC_ALL='C')
    done = subprocess.run(['git', '-c', 'user.useConfigOnly=true', 'var', 'GIT_AUTHOR_IDENT'],
                          cwd=common.ROOT, capture_output=True, text=True, env=env, check=False)
    match = re.match(r'(.+) <(.+)> \d+ ', done.stdout)
    if not match:
        raise Fail('series: git does not know who you are, and the patches will carry your name: '
                   'git config --global user.name and user.email')
    return {'GIT_%s_%s' % (role, part): value for role in ('AUTHOR', 'COMMITTER')
            for part, value in (('NAME', match[1]), ('EMAIL', match[2]))}


class Export:
    def __init__(self, tree):
        self.tree, self.git = tree, tree.git
        self.commits = tree.state['commits']

    @property
    def cover(self):
        path = self.tree.root / 'patches' / 'cover-letter'
        if not path.exists():
            raise Fail('series: no patches/cover-letter: restore it with git checkout')
        return Patch(path.read_bytes(), 'cover-letter')

    def signed(self, tree, parent, message, env, number=0):
        """A commit with the name of who exports."""
        date = '%d +0000' % (int(time.time()) + number)
        env = dict(env, GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        return self.git('commit-tree', tree, '-p', parent, data=message, env=env)

    def format_patch(self, part, first, last, env, *options):
        self.git('format-patch', '-q', '-s', '--no-signature', '--no-renames', '--unified=3',
                 *DIFF, '-o', str(part), *options, '%s..%s' % (first, last), env=env)

    def note(self):
        return textwrap.fill(REPRODUCE.format(**self.tree.state), 72)

    def series(self):
        """build/series: cover letter and patches; returns the folder."""
        env, base, words = identity(), self.git('rev-parse', 'refs/tags/base'), self.cover
        parent = base
        for number, (_, commit) in enumerate(self.commits):
            message = self.git('log', '-1', '--format=%B', commit) + '\n'
            parent = self.signed(commit + '^{tree}', parent, message, env, number)
        folder = self.tree.build / 'series'
        part = fresh_folder(folder)
        self.format_patch(part, base, parent, env, '--cover-letter', '--base=' + base)
        cover = part / '0000-cover-letter.patch'
        text = cover.read_text(encoding='utf-8')
        text = text.replace('*** SUBJECT HERE ***', words.subject)
        text = text.replace('*** BLURB HERE ***', '%s\n\n%s' % (words.body, self.note()))
        cover.write_text(text, encoding='utf-8')
        replace_folder(part, folder)
        return folder

    def net(self):
        """build/series-net: one patch on the stock base; returns the folder."""
        env, stock, words = identity(), self.git('rev-parse', 'refs/tags/stock'), self.cover
        message = '%s\n\n%s\n\nAll of the series as one difference to %s as it comes.\n' % (
            words.subject, words.body, self.tree.state['label'])
        commit = self.signed(self.commits[-1][1] + '^{tree}', stock, message, env)
        folder = self.tree.build / 'series-net'
        part = fresh_folder(folder)
        self.format_patch(part, stock, commit, env)
        replace_folder(part, folder)
        return folder

    def check_builds(self, config):
        """Build the base and each commit in a tree of its own; returns how many failed."""
        folder, index = self.tree.build / 'series-tree', self.tree.build / '.series-tree.index'
        if not folder.exists():
            index.unlink(missing_ok=True)
        failed = 0
        base = ['base', self.git('rev-parse', 'refs/tags/base')]
        for number, (name, commit) in enumerate([base, *self.commits]):
            lay_out(self.git, commit, folder, index)
            start = time.monotonic()
            done = subprocess.run([common.ROOT / 'scripts/build', config, '--tree', folder,
                                   '--out', 'series-' + config, '--lenient'], check=False)
            word = 'ok' if not done.returncode else 'FAILED'
            failed += bool(done.returncode)
            say('series: %d/%d %s %s (%d s)' % (number, len(self.commits), name, word,
                                               time.monotonic() - start))
        return failed


def exported(tree):
    """An Export of a tree that is up to date and clean."""
    tree.update()
    if why := tree.why_not_clean():
        raise Fail('series: build/tree: %s: bring them back with `make refresh` first' % why)
    if not tree.state['commits']:
        raise Fail('series: patches/series is empty: there is nothing to export')
    return Export(tree)
