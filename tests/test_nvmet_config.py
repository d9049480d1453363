# SPDX-License-Identifier: GPL-2.0-only
"""What nvmet-config.sh does to the file it saves to: folders stand for configfs. All else is tested in the guest."""

import os
import subprocess

import pytest

from p2plib import ROOT

SCRIPT = ROOT / "tools/testing/selftests/pci-p2pdma/nvmet-config.sh"


class Target:
    """A target with one host and its key, in TMP."""

    def __init__(self, tmp):
        self.saved, self.order = tmp / "there/saved", tmp / "order"
        self.config, self.bin = tmp / "nvmet", tmp / "bin"
        for folder in ("subsystems", "ports", "hosts/h"):
            (self.config / folder).mkdir(parents=True)
        self.key("first")
        self.saved.parent.mkdir()
        self.bin.mkdir()

    def key(self, value):
        (self.config / "hosts/h/dhchap_key").write_text(f"{value}\n")

    def run(self, *words):
        env = {**os.environ, "NVMET_CONFIG": str(self.config), "PATH": f'{self.bin}:{os.environ["PATH"]}'}
        return subprocess.run(["dash", SCRIPT, *map(str, words)], env=env, capture_output=True, text=True, check=False)

    def watch(self, then='exec /bin/sync "$@"'):
        """Note what is synced, and what is in the new file and in the one that is there by then."""
        sync = self.bin / "sync"
        sync.write_text(
            f'#!/bin/sh\n{{ echo "sync $1"; cat "$1"; cat {self.saved}; }} >>{self.order} 2>/dev/null\n{then}\n'
        )
        sync.chmod(0o755)


@pytest.fixture(name="target")
def a_target(tmp_path):
    return Target(tmp_path)


def text(key):
    return f"make hosts/h\nset hosts/h/dhchap_key {key}\nend\n"


def test_synced_before_it_takes_the_place(target):
    assert target.run("save", target.saved).returncode == 0
    target.key("second")
    target.watch()
    assert target.run("save", target.saved).returncode == 0
    first, new, folder = target.order.read_text().partition(text("second"))
    assert (
        first.startswith(f"sync {target.saved}.")
        and new
        and folder == f'{text("first")}sync {target.saved.parent}\n{text("second")}'
    )
    assert target.saved.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("then", ["exit 1", "kill $PPID; sleep 1"], ids=["fails", "killed"])
def test_the_old_one_stays(target, then):
    assert target.run("save", target.saved).returncode == 0
    target.key("second")
    target.watch(then)
    assert target.run("save", target.saved).returncode not in (0, 2)
    assert target.saved.read_text() == text("first")
    assert os.listdir(target.saved.parent) == ["saved"]


def test_only_a_file_is_written(target):
    fifo = target.bin / "fifo"
    os.mkfifo(fifo)
    for place in (target.saved.parent, target.saved / "in nothing", fifo):
        done = target.run("save", place)
        assert done.returncode == 1 and str(place) in done.stderr
    assert not os.listdir(target.saved.parent) and fifo.is_fifo()
