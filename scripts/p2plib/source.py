# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source, tarball or folder, as a stream of files."""

import os
import subprocess
import tarfile
from pathlib import Path

from .common import Fail

import strip                                    # on the path since .common

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
            raise Fail('%s: no Makefile in it: set KERNEL_SRC= to a 6.12.y source' % self.path)
        stamp = '%d %d' % (file.stat().st_size, file.stat().st_mtime_ns)
        if (self.path / '.git').exists():
            head = subprocess.run(['git', '-C', self.path, 'rev-parse', 'HEAD'],
                                  capture_output=True, text=True, check=False)
            stamp += ' ' + head.stdout.strip()
        return stamp

    def entries(self):
        """(path, git mode, bytes) of each file, the same order each time."""
        return self._from_folder() if self.is_folder else self._from_tarball()

    def _from_folder(self):
        for folder, folders, names in os.walk(self.path):
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
        try:
            with subprocess.Popen(command + [self.path], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as unpack:
                try:
                    with tarfile.open(fileobj=unpack.stdout, mode='r|') as tar:
                        yield from _tar_entries(tar)
                    unpack.stdout.read()
                except GeneratorExit:
                    unpack.kill()
                    raise
            if unpack.returncode:
                raise tarfile.ReadError
        except FileNotFoundError:
            raise Fail('no command %s: install it with apt' % command[0]) from None
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


def check_series(makefile, name, series='6.12'):
    """The version of the kernel whose top Makefile this is; refuse another than series.y."""
    version = strip.makefile_version(makefile)
    if not version.startswith(series + '.'):
        raise Fail('%s is Linux %s, not %s.y: set KERNEL_SRC= to a %s.y source'
                   % (name, version, series, series))
    return version
