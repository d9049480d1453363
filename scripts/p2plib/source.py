# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source, tarball or folder, as a stream of files."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from .common import Fail
from .advice import no_command

import strip                                    # on the path since .common

# A folder or tarball without these is part of a kernel at most.
WHOLE = ('Makefile', 'block/bio.c', 'drivers/pci/Makefile', 'mm/gup.c')
_UNPACK = ((b'\xfd7zXZ\0', ['xz', '-dc']), (b'\x1f\x8b', ['gzip', '-dc']),
           (b'BZh', ['bzip2', '-dc']), (b'\x28\xb5\x2f\xfd', ['zstd', '-dc']))


class Source:
    """path: tarball or folder; label: how messages and commits call it; key: what it depends on."""

    def __init__(self, path, label=None):
        self.path = Path(path)
        if not self.path.exists():
            raise Fail('%s: no such file or folder: set KERNEL_SRC= to a 6.12.y source' % path)
        self.is_folder = self.path.is_dir()
        if not self.is_folder and not self.path.is_file():
            raise Fail('%s is neither a tarball nor a folder: set KERNEL_SRC= to a 6.12.y source'
                       % path)
        if self.is_folder and ((self.path / '.config').exists()
                               or (self.path / 'include/config').exists()):
            raise Fail('%s holds build products: run `make mrproper` there' % path)
        self.label = label or 'Linux from %s' % self.path.name
        self.key = '%s %s %s' % (self.label, self.path.resolve(), self._stamp())

    def _stamp(self):
        """Changes when the source does; for a folder as far as git or the top Makefile tell."""
        file = self.path / 'Makefile' if self.is_folder else self.path
        if not file.exists():
            raise not_whole(self.path, 'Makefile')
        stamp = '%d %d' % (file.stat().st_size, file.stat().st_mtime_ns)
        if (self.path / '.git').exists():
            head = subprocess.run(['git', '-C', self.path, 'rev-parse', 'HEAD'],
                                  capture_output=True, text=True, check=False)
            stamp += ' ' + head.stdout.strip()
        return stamp

    def check(self, series='6.12'):
        """The version, or a refusal: what a glance tells, before anything is made from it."""
        if self.is_folder:
            for path in WHOLE:
                if not (self.path / path).is_file():
                    raise not_whole(self.path, path)
        for path, _, data in self.entries():
            if path == 'Makefile':
                return check_series(data.decode('utf-8', 'replace'), self.path, series)
        raise not_whole(self.path, 'Makefile')

    def entries(self):
        """(path, git mode, bytes) of each file, the same order each time."""
        return self._from_folder() if self.is_folder else self._from_tarball()

    def _from_folder(self):
        for folder, folders, names in os.walk(self.path, onerror=_raise):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            folders[:] = sorted(name for name in folders if name != '.git' and name not in links)
            for name in sorted(names + links):
                full = os.path.join(folder, name)
                path = os.path.relpath(full, self.path)
                if os.path.islink(full):
                    yield path, '120000', os.readlink(full).encode()
                else:
                    with open(full, 'rb') as file:
                        mode = '100755' if os.fstat(file.fileno()).st_mode & 0o100 else '100644'
                        yield path, mode, file.read()

    def _from_tarball(self):
        with open(self.path, 'rb') as file:
            magic = file.read(6)
        command = next((c for start, c in _UNPACK if magic.startswith(start)), ['cat'])
        if not shutil.which(command[0]):
            raise Fail('%s cannot be unpacked: %s' % (self.path, no_command(command[0])))
        try:
            # In a session of its own: ^C would end it first and look like a tarball cut short.
            with subprocess.Popen(command + [self.path], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, start_new_session=True) as unpack:
                try:
                    with tarfile.open(fileobj=unpack.stdout, mode='r|') as tar:
                        yield from _tar_entries(tar)
                    unpack.stdout.read()
                except (GeneratorExit, KeyboardInterrupt):
                    unpack.kill()
                    raise
            if unpack.returncode:
                raise tarfile.ReadError
        except (tarfile.TarError, EOFError):
            raise Fail('%s is not a readable tarball (cut short or corrupt): get it again'
                       % self.path) from None


def _tar_entries(tar):
    for member in tar:
        parts = [part for part in member.name.split('/') if part != '.']
        path = '/'.join(parts[1:])              # the tarball's own top folder goes
        if not path or '..' in parts:
            continue
        if member.issym():
            yield path, '120000', member.linkname.encode()
        elif member.isfile():
            mode = '100755' if member.mode & 0o100 else '100644'
            yield path, mode, tar.extractfile(member).read()
        tar.members = []                        # a stream need not remember 90,000 headers


def _raise(error):
    raise error


def not_whole(name, path):
    return Fail('%s is not a whole kernel source, it has no %s: set KERNEL_SRC= to a 6.12.y source'
                % (name, path if '/' in path else 'top ' + path))


def check_series(makefile, name, series='6.12'):
    """The version of the kernel whose top Makefile this is; refuse another than series.y."""
    version = strip.makefile_version(makefile)
    if '?' in version:
        raise Fail('%s is no kernel source, its top Makefile names no version: set KERNEL_SRC= to '
                   'a %s.y source' % (name, series))
    if not version.startswith(series + '.'):
        raise Fail('%s is Linux %s, not %s.y: set KERNEL_SRC= to a %s.y source'
                   % (name, version, series, series))
    return version
