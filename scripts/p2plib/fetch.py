# SPDX-License-Identifier: GPL-2.0-only
"""Getting the kernel source: the package that BASE names, another version of it, KERNEL_SRC."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from .advice import no_command
from .common import Fail, ROOT, need_space, run, say
from .source import Source


class Base:
    """The file BASE."""

    def __init__(self, root=ROOT):
        values = {}
        for line in (root / 'BASE').read_text(encoding='ascii').splitlines():
            if match := re.match(r'(\w+)=(.*)$', line):
                values[match[1]] = match[2].strip('"')
        missing = {'PACKAGE', 'SERIES', 'VERIFIED'} - set(values)
        if missing:
            raise Fail('BASE has no %s: restore it with git checkout' % ', '.join(sorted(missing)))
        self.package, self.series = values['PACKAGE'], values['SERIES']
        self.verified = values['VERIFIED'].split()

    @property
    def tarball(self):
        return Path('/usr/src/%s.tar.xz' % self.package)


def _apt(args, what, build):
    """apt with its output in build/fetch.log."""
    log = build / 'fetch.log'
    env = dict(os.environ, LC_ALL='C', DEBIAN_FRONTEND='noninteractive')
    with open(log, 'ab') as out:
        try:
            done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  env=env, check=False)
        except FileNotFoundError:
            raise Fail('%s: %s, or set KERNEL_SRC= to a 6.12.y source'
                       % (what, no_command(args[0]))) from None
    if done.returncode:
        text = log.read_text(errors='replace')
        why = [line for line in text.splitlines() if line.startswith('E: ')]
        raise Fail('%s: %s failed (%s): check network and apt sources, or set KERNEL_SRC= (log: %s)'
                   % (what, args[0], why[-1][3:] if why else 'no reason given', log))


def install(base, build):
    """Bring the source package with apt."""
    if os.geteuid():
        raise Fail('%s is not installed, and only root can: apt-get install %s, or set KERNEL_SRC='
                   % (base.package, base.package))
    need_space('/usr/src', 0.5)
    build.mkdir(parents=True, exist_ok=True)
    say('installing %s (150 MB)' % base.package)
    command = ['apt-get', 'install', '-q', '-y', '--no-install-recommends', base.package]
    what = 'install %s' % base.package
    try:
        _apt(command, what, build)
    except Fail:
        _apt(['apt-get', 'update', '-q'], what, build)      # the lists may be old or not there yet
        _apt(command, what, build)
    if not base.tarball.exists():
        _apt(command + ['--reinstall'], what, build)        # installed, but its file is gone


def installed_version(base):
    try:
        done = subprocess.run(['dpkg-query', '-W', '-f=${Version}', base.package],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:           # the tarball is there, on something else than Debian
        return 'of unknown version'
    return done.stdout.strip() or 'of unknown version'


def source(base, build):
    """The source to build from: KERNEL_SRC=, else the package, installed if need be."""
    given = os.environ.get('KERNEL_SRC')
    if given:
        return Source(given)
    if not base.tarball.exists():
        install(base, build)
    return Source(base.tarball, '%s %s' % (base.package, installed_version(base)))


def offered(base):
    """The versions that the archive offers, newest first."""
    text = run(['apt-cache', 'madison', base.package], 'asking apt for versions').decode()
    versions = []
    for line in text.splitlines():
        version = line.split('|')[1].strip()
        if version not in versions:
            versions.append(version)
    if not versions:
        raise Fail('apt knows no %s: run apt-get update, or check /etc/apt' % base.package)
    return versions


def archived(base, version, build):
    """A version of the archive, as tarball in build/download, kept there."""
    if not re.fullmatch(r'[\w.+~:-]+', version):
        raise Fail('%s is no package version: see apt-cache madison %s' % (version, base.package))
    folder = build / 'download'
    tarball = folder / ('%s_%s.tar.xz' % (base.package, version))
    if tarball.exists():
        return tarball
    if version == installed_version(base) and base.tarball.exists():
        return base.tarball
    folder.mkdir(parents=True, exist_ok=True)
    need_space(folder, 0.5)
    say('downloading %s %s' % (base.package, version))
    part = folder / ('.%s.part' % version)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        run(['apt-get', 'download', '-q', '%s=%s' % (base.package, version)],
            'download of %s' % version, cwd=part)
        deb, = part.glob('*.deb')
        _tarball_of(deb, './usr/src/%s.tar.xz' % base.package, part / 'tarball')
        (part / 'tarball').rename(tarball)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tarball


def _tarball_of(deb, member, target):
    with subprocess.Popen(['dpkg-deb', '--fsys-tarfile', deb], stdout=subprocess.PIPE) as unpack:
        with tarfile.open(fileobj=unpack.stdout, mode='r|') as tar, open(target, 'wb') as out:
            for entry in tar:
                if entry.name == member:
                    shutil.copyfileobj(tar.extractfile(entry), out, 1 << 20)
        unpack.stdout.read()
    if unpack.returncode or not target.stat().st_size:
        raise Fail('%s is damaged: remove it and run again' % deb.name)
