# SPDX-License-Identifier: GPL-2.0-only
"""What went wrong with a file or a command, and what to do about it, in one line."""

import errno
import os
import pwd
import shutil
import subprocess
from pathlib import Path

PACKAGES = {
    "bison": "bison",
    "ld": "binutils",
    "python3": "python3",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "aarch64-linux-gnu-ld": "binutils-aarch64-linux-gnu",
    "xz": "xz-utils",
    "apt-cache": "apt",
    "apt-get": "apt",
    "depmod": "kmod",
    "dh": "debhelper",
    "dpkg-buildpackage": "dpkg-dev",
    "dpkg-deb": "dpkg",
    "dpkg-query": "dpkg",
    "dpkg-shlibdeps": "dpkg-dev",
    "dmsetup": "dmsetup",
    "losetup": "mount",
    "mdadm": "mdadm",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "rdma": "iproute2",
}
PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
FULL = 8 << 20  # bytes: nothing of a kernel's size goes into less


def no_command(name: str, package: str | None = None) -> str:
    """Why a command does not start, and what would help: PATH, or a package."""
    for place in PLACES:
        if os.access(os.path.join(place, name), os.X_OK):
            return f"no {name} in PATH, but there is {place}/{name}: add {place} to PATH"
    wanted = package or PACKAGES.get(name) or name
    if not shutil.which("dpkg-query"):
        return f"no {name}: install it"
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", wanted], capture_output=True, text=True, check=False
    )
    again = "--reinstall " if asked.stdout == "installed" else ""
    return f"no {name}: apt-get install {again}{wanted}"


def existing(path: Path | str) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = Path(os.path.abspath(path))
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def denied(path: Path | str) -> str:
    """EACCES, EPERM: whose it is, and who we are."""
    path = existing(path)
    try:
        status = path.stat()
        owner = pwd.getpwuid(status.st_uid).pw_name
    except (OSError, KeyError):
        return "change its permissions, or run as who may"
    if status.st_uid != os.geteuid():
        return f"{path} belongs to {owner}: run as {owner}, or chown it"
    return f"change the permissions of {path}"


def os_error(error: OSError) -> str:
    """One line for an OSError: what, where, why, and what helps against this one."""
    number, name = error.errno, error.filename
    name = os.fsdecode(name) if isinstance(name, (bytes, str, os.PathLike)) else ""
    if number == errno.ENOENT and name and "/" not in name and not os.path.lexists(name):
        return no_command(name)
    helps = {
        errno.ENOSPC: "free some space there",
        errno.EDQUOT: "free some of the quota there",
        errno.EROFS: "mount it writable, or work in a clone elsewhere",
        errno.ENOENT: "run it again, or restore it if it is a file of the repository",
        errno.EMFILE: "raise the limit (ulimit -n)",
        errno.ENFILE: "end other programs",
        errno.ENOMEM: "end other programs, or add memory",
        errno.EIO: "check the disk (dmesg)",
        errno.ENOTDIR: "move away what is there instead of a folder",
        errno.EISDIR: "move away the folder that is there instead of a file",
        errno.EEXIST: "move it away",
        errno.ENOTEMPTY: "is something at work in it? run it again",
        errno.ENOEXEC: "it is no program of this machine: install it again",
        errno.EFBIG: "raise the limit (ulimit -f)",
        errno.EAGAIN: "raise the limit (ulimit -u)",
    }
    if number in (errno.EACCES, errno.EPERM):
        help_ = denied(name or ".")
    else:
        help_ = helps.get(number, "see that it is in order, then run again")
    return f"{name + ': ' if name else ''}{error.strerror or error}: {help_}"


def words_of_disk(text: str, folder: Path | None = None) -> str | None:
    """The advice that fits what another program said of its work in a folder, or None."""
    for words, help_ in (
        ("No space left", "the disk is full: free some space"),
        ("Out of diskspace", "the disk is full: free some space"),
        ("Read-only file system", "the file system is read-only: mount it writable"),
        ("Disk quota exceeded", "the quota is used up: free some of it"),
        ("Permission denied", "permission denied: run as the owner of build/, or " "chown it"),
        ("Input/output error", "the disk fails: see dmesg"),
    ):
        if words in text:
            return help_
    # git only says which file it could not write.
    if folder and shutil.disk_usage(existing(folder)).free < FULL:
        return "the disk is full: free some space"
    return None
