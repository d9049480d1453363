# SPDX-License-Identifier: GPL-2.0-only
"""p2ptopo and block devices: what they are made of, and what that comes to; on folders that are a copy of /sys."""

import json
import os
import subprocess

import pytest

from lspci import ALL, CR, RR, as_hex, as_sysfs, below, switch

A, B, FAR, PROVIDER = "03:00.0", "04:00.0", "06:00.0", "05:00.0"
UNKNOWN = (0x8086, 0x29C0)  # a host bridge on no list: 06:00.0 does not reach what is below the switch
WHOLE = switch(UNKNOWN, ports=(ALL, 0))
VIRTUAL = "devices/virtual/block"


def full(*addresses):
    return [f"0000:{address}" for address in addresses]


def device(sys, name, folder, of=(), **files):
    """A block device NAME in FOLDER, of others that are there already"""
    here = sys / folder / name
    here.mkdir(parents=True)
    block = sys / "class/block"
    block.mkdir(parents=True, exist_ok=True)
    (block / name).symlink_to(f"../../{folder}/{name}")
    for file, text in files.items():
        path = here / file.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    if of:
        (here / "slaves").mkdir()
    for other in of:
        (here / "slaves" / other).symlink_to(os.path.relpath((block / other).resolve(), here / "slaves"))


def drive(sys, number, address):
    fn = next(fn for fn in WHOLE if fn.address == address)
    device(sys, f"nvme{number}n1", f"{below(WHOLE, fn)}/nvme/nvme{number}")


def multipath(sys, number, controllers):
    """A head, and in each of {controller: address} a path"""
    subsystem = sys / f"devices/virtual/nvme-subsystem/nvme-subsys{number}"
    device(sys, f"nvme{number}n1", f"devices/virtual/nvme-subsystem/nvme-subsys{number}")
    (sys / "class/nvme-subsystem").mkdir(parents=True)
    (sys / f"class/nvme-subsystem/nvme-subsys{number}").symlink_to(f"../../{subsystem.relative_to(sys)}")
    for controller, address in controllers.items():
        fn = next(fn for fn in WHOLE if fn.address == address)
        here = sys / f"{below(WHOLE, fn)}/nvme/nvme{controller}"
        (here / f"nvme{number}c{controller}n1").mkdir(parents=True)
        (subsystem / f"nvme{controller}").symlink_to(os.path.relpath(here, subsystem))


@pytest.fixture
def sys(tmp_path):
    """Drives nvme0 to nvme2, an array of two of these, a volume on that, and more"""
    sys = tmp_path / "sys"
    as_sysfs(sys, WHOLE)
    drive(sys, 0, A)
    drive(sys, 1, B)
    drive(sys, 2, FAR)
    device(sys, "nvme2n1p1", below(WHOLE, WHOLE[-1]) + "/nvme/nvme2/nvme2n1", partition="1\n")
    device(sys, "md0", VIRTUAL, ["nvme0n1", "nvme1n1"], md__level="raid1\n")
    device(sys, "md1", VIRTUAL, ["nvme0n1", "nvme2n1p1"], md__level="raid10\n")
    device(sys, "dm-0", VIRTUAL, ["md0"], dm__name="vg-data\n")
    device(sys, "dm-1", VIRTUAL, ["md0", "md1"], dm__name="vg-all\n")
    device(sys, "loop0", VIRTUAL)
    device(sys, "md2", VIRTUAL, ["nvme0n1", "loop0"], md__level="raid0\n")
    return sys


@pytest.fixture
def p2ptopo(tool, sys):
    def call(*argv, status=0):
        done = subprocess.run([tool, "-F", sys, *argv], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status == 1 else done.stdout

    return call


def stacks(text):
    return {
        one["name"]: (one["kind"], one["of"], one["clients"], one["elsewhere"]) for one in json.loads(text)["stacks"]
    }


EXPECTED = {
    "dm-0": ("vg-data", "md0", full(A, B), False),
    "dm-1": ("vg-all", "md0 md1", full(A, B, FAR), False),
    "md0": ("raid1", "nvme0n1 nvme1n1", full(A, B), False),
    "md1": ("raid10", "nvme0n1 nvme2n1p1", full(A, FAR), False),
    "md2": ("raid0", "loop0 nvme0n1", full(A), True),
}


def test_json(p2ptopo):
    assert stacks(p2ptopo("--json")) == EXPECTED


def test_selected(p2ptopo):
    """-s takes a block device for what is below it; stacks are those that something shown is below."""
    said = p2ptopo("--json", "-s", "vg-data", "-s", PROVIDER)
    assert [one["address"] for one in json.loads(said)["devices"]] == full(A, B, PROVIDER)
    said = p2ptopo("--json", "-s", "nvme2n1p1")
    assert [one["address"] for one in json.loads(said)["devices"]] == full(FAR)
    assert set(stacks(said)) == {"md1", "dm-1"}


def test_matrix(p2ptopo):
    lines = p2ptopo().splitlines()
    assert "  md1 (raid10), of nvme0n1 nvme2n1p1: 0000:03:00.0 0000:06:00.0" in lines
    assert "  md2 (raid0), of loop0 nvme0n1: 0000:03:00.0 and what is no PCI function" in lines


def test_text_has_none(run):
    text = as_hex(WHOLE)
    assert json.loads(run(text, "--json"))["stacks"] is None and "block devices" not in run(text)
    assert "not an address: md0: expected" in run(text, "explain", "md0", PROVIDER, status=1)
    assert "--select md0: expected an address" in run(text, "-s", "md0", status=1)


@pytest.mark.parametrize("name", ["md0", "/dev/md0", "vg-data", "/dev/mapper/vg-data", "dm-0"])
def test_explained(p2ptopo, name):
    """Of each function in turn, and what that comes to"""
    said = p2ptopo("explain", name, PROVIDER)
    assert [line.split()[1] for line in said.splitlines() if line.startswith("client ")] == full(A, B)
    assert said.endswith(": all that it is on reaches 0000:05:00.0\n")


def test_one_does_not(p2ptopo):
    said = p2ptopo("explain", "md1", PROVIDER)
    assert said.startswith("md1 (raid10), of nvme0n1 nvme2n1p1: 0000:03:00.0 0000:06:00.0\n")
    assert "md1: 1 of the 2 functions that it is on reach 0000:05:00.0 for certain" in said
    assert "takes no peer memory" in p2ptopo("explain", "md2", PROVIDER).splitlines()[-1]


def test_not_known(p2ptopo, sys):
    """Without config space nothing is certain, and nothing is taken for good."""
    for path in sys.glob("devices/**/config"):
        path.write_bytes(path.read_bytes()[:64])
    assert "md0: 0 of the 2 functions" in p2ptopo("explain", "md0", PROVIDER)


def test_multipath(p2ptopo, sys):
    multipath(sys, 7, {7: A, 8: FAR})
    assert stacks(p2ptopo("--json"))["nvme7n1"] == ("multipath", "nvme7c7n1 nvme7c8n1", full(A, FAR), False)
    assert "nvme7n1: 1 of the 2 functions" in p2ptopo("explain", "nvme7n1", PROVIDER)


def test_multipath_below(p2ptopo, sys):
    multipath(sys, 7, {7: A, 8: B})
    device(sys, "md7", VIRTUAL, ["nvme7n1", "nvme2n1"], md__level="raid1\n")
    assert stacks(p2ptopo("--json"))["md7"] == ("raid1", "nvme2n1 nvme7n1", full(A, B, FAR), False)


def test_circle(p2ptopo, sys):
    """Nobody makes one, and a copy may have anything."""
    (sys / VIRTUAL / "md0/slaves/dm-0").symlink_to("../../dm-0")
    assert stacks(p2ptopo("--json"))["md0"][2:] == (full(A, B), True)


def test_one_function(p2ptopo):
    """Where there is one, a disk stands for it."""
    by_name = json.loads(p2ptopo("--json", "explain", "nvme0n1", PROVIDER))
    assert by_name == json.loads(p2ptopo("--json", "explain", A, PROVIDER))
    assert "several PCI functions" in p2ptopo("--json", "explain", "md0", PROVIDER, status=1)
    assert "several PCI functions" in p2ptopo("explain", A, "md0", status=1)
    assert "several PCI functions" in p2ptopo("doctor", "md0", PROVIDER, status=1)


@pytest.mark.parametrize("name", ["md9", "..", ".", "/dev/", "", "x" * 300, "md0/../md1/.", "nvme0"])
def test_no_such(p2ptopo, name):
    said = p2ptopo("explain", name, PROVIDER, status=1)
    assert "expected [DDDD:]BB:DD.F, or a name in /sys/class/block" in said and said.count("\n") == 1
    assert p2ptopo("-s", name, status=1).count("\n") == 1


def test_elsewhere(p2ptopo):
    assert "loop0 is on no PCI function" in p2ptopo("explain", "loop0", PROVIDER, status=1)
    assert "on a PCI function" in p2ptopo("-s", "loop0", status=1)


def test_redirected(tool, tmp_path):
    """The sum is of the routes as they are."""
    sys = tmp_path / "sys"
    as_sysfs(sys, switch(UNKNOWN, ports=(ALL, RR | CR)))
    drive(sys, 0, A)
    drive(sys, 1, B)
    device(sys, "md0", VIRTUAL, ["nvme0n1", "nvme1n1"], md__level="raid1\n")
    done = subprocess.run(
        [tool, "-F", sys, "--cpu", "intel:6", "explain", "md0", PROVIDER],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "md0: 0 of the 2 functions" in done.stdout and done.returncode == 0
