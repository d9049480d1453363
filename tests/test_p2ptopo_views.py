# SPDX-License-Identifier: GPL-2.0-only
"""p2ptopo's doctor, its pictures, NCCL's file, and what measure refuses; on machines that are text or folders."""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from lspci import (
    ALL,
    CR,
    DOWNSTREAM,
    EC,
    ROOT_PORT,
    RR,
    UF,
    UPSTREAM,
    Function,
    as_hex,
    as_sysfs,
    as_text,
    bridge,
    switch,
)
from conftest import vm_that_says
from p2plib import ROOT
from p2plib.commands import demo
from p2plib.lab import topology

DRIVES = ("03:00.0", "04:00.0")
PROVIDER = "05:00.0"
FORMS: dict[str, Callable[[list[Function]], str]] = {"hex": as_hex, "text": as_text}
SVG = "{http://www.w3.org/2000/svg}"
READY, NOT_READY, NOT_KNOWN = 0, 3, 4
GIB, MIB = 1 << 30, 1 << 20


def machine(**provider):
    """The switch, with a provider in the place of the card that is as good as one can be."""
    whole = switch(ports=(ALL, 0))
    for fn in whole:
        fn.tags = (True, False)
        if fn.address in DRIVES:
            fn.driver = "nvme"
        if fn.address == PROVIDER:
            fn.bar = (0x380000000000, 16 * GIB)
            fn.cls, fn.driver = 0x0302, "pci-p2pmem-stub"
            for name, value in provider.items():
                setattr(fn, name, value)
    return whole


def only(**values):
    """The same for a drive"""
    whole = machine()
    for fn in whole:
        if fn.address == DRIVES[0]:
            for name, value in values.items():
                setattr(fn, name, value)
    return whole


def all_have(**values):
    """And for all functions"""
    whole = machine()
    for fn in whole:
        for name, value in values.items():
            setattr(fn, name, value)
    return whole


def blocked():
    """The switch redirects, and the root port does not forward."""
    whole = machine()
    for fn in whole:
        if fn.acs:
            fn.acs = (ALL, RR | CR if fn.address.startswith("02") else 0)
    return whole


@pytest.fixture
def doctor(run):
    """doctor(text, *arguments): {check: (state, about, remedy)} and whether it is ready, of one status."""

    def call(text, *argv, status):
        said = json.loads(run(text, "--json", "doctor", *argv, status=status))
        assert {one["state"] for one in said["checks"]} <= {"ok", "problem", "unknown"}
        # Nothing is said to be wrong without a word on what to do.
        assert all(one["remedy"] for one in said["checks"] if one["state"] != "ok")
        return {one["check"]: (one["state"], one["about"], one["remedy"]) for one in said["checks"]}, said["ready"]

    return call


@pytest.mark.parametrize(
    "release, affected",
    [
        ("6.10.9", False),
        ("6.11.0-rc1", True),
        ("6.12.116", True),
        ("6.12.117-x", False),
        ("6.14.2", True),
        ("6.15.0", False),
        (None, False),
    ],
)
def test_kernels_that_misread_the_boot_line(release, affected, tool, tmp_path):
    """Where a boot line is written for a kernel that may take it for something else, that is said."""
    as_sysfs(tmp_path / "sys", switch((0x8086, 0x3405), ports=(ALL, RR | CR | UF)))
    if release:
        write(tmp_path / "proc", {"sys/kernel/osrelease": release + "\n"})
    for verb, words in (
        ("explain", f"(Linux {release} may do something else by these options"),
        ("doctor", "may misread)"),
    ):
        argv = [tool, "-F", tmp_path, "--cpu", "intel:6", verb, *DRIVES]
        said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout
        assert "pci=disable_acs_redir=" in said and (words in said) is affected


# A machine in a folder: /sys, /proc and /boot ------------------------------------------------------

PROC = {
    "sys/kernel/osrelease": "6.12.117-p2pdma\n",
    "cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu vme sme\n\n",
    "cmdline": "root=/dev/sda1 quiet\n",
}
CONFIG = "CONFIG_PCI=y\nCONFIG_PCI_P2PDMA=y\n# CONFIG_SECURITY_LOCKDOWN_LSM is not set\n"
END = "# end of Kernel hacking\n"
SYS = {
    "kernel/security/lockdown": "[none] integrity confidentiality\n",
    "module/nvme_core/parameters/multipath": "N\n",
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def folder_of(folder, whole, memory=True):
    """All that doctor asks for, and it is as it should be."""
    as_sysfs(folder / "sys", whole)
    write(folder / "proc", PROC)
    write(folder / "boot", {"config-6.12.117-p2pdma": CONFIG})
    write(folder / "sys", SYS)
    (folder / "sys/class/iommu").mkdir(parents=True)
    for fn in whole:
        here = folder / "sys/bus/pci/devices" / f"0000:{fn.address}"
        (here / "dma_mask_bits").write_text("64\n")
        if fn.address == PROVIDER and memory:
            write(here, {"p2pmem/size": f"{GIB}\n", "p2pmem/available": f"{GIB}\n", "p2pmem/published": "1\n"})
    return folder


@pytest.fixture
def examine(tool, tmp_path):
    """examine(change, *arguments): the same of such a folder, after change(folder)"""

    def call(change=None, *argv, status, whole=None, memory=True):
        folder = folder_of(tmp_path / str(len(list(tmp_path.iterdir()))), whole or machine(), memory)
        if change:
            change(folder)
        done = subprocess.run(
            [tool, "-F", folder, "--json", "doctor", *argv], capture_output=True, text=True, check=False, timeout=60
        )
        said = json.loads(done.stdout)
        checks = {one["check"]: (one["state"], one["about"], one["remedy"]) for one in said["checks"]}
        assert done.returncode == status, checks
        return checks, said["ready"]

    return call


def test_ready(examine):
    """All is there, and is seen: nothing else is ready."""
    checks, ready = examine(status=READY)
    assert ready is True and {state for state, *_ in checks.values()} == {"ok"}
    names = "kernel lockdown encryption hypervisor iommu multipath acs driver payload tags memory bar route"
    assert set(checks) == set(names.split())


def test_pair_ready(examine):
    checks, ready = examine(None, DRIVES[0], PROVIDER, status=READY)
    assert ready is True and {state for state, *_ in checks.values()} == {"ok"}
    assert "1 GiB registered, 1 GiB free" in checks["memory"][1] and "16 GiB at 0x380000000000" in checks["bar"][1]


def put(name, text):
    return lambda folder: write(folder, {name: text})


def drop(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def multipath(folder):
    here = folder / "sys/bus/pci/devices/0000:03:00.0/nvme/nvme0/nvme0c0n1"
    here.mkdir(parents=True)


def of_device(address, name):
    return f"sys/bus/pci/devices/0000:{address}/{name}"


# what: (change, check, state, what it says, what its remedy says)
SYSTEM = {
    "locked down": (
        put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
        "lockdown",
        "problem",
        "pci-p2pmem-stub",
        "driver of its own",
    ),
    "lockdown not readable": (
        lambda f: (
            drop("sys/kernel/security/lockdown")(f),
            put("boot/config-6.12.117-p2pdma", "CONFIG_PCI_P2PDMA=y\nCONFIG_SECURITY_LOCKDOWN_LSM=y\n")(f),
        ),
        "lockdown",
        "unknown",
        "cannot be read",
        "securityfs",
    ),
    "lockdown not copied": (
        lambda f: (
            drop("sys/kernel/security/lockdown", "boot/config-6.12.117-p2pdma")(f),
            put("sys/kernel/security/lsm", "lockdown,capability,landlock")(f),
            put("proc/kallsyms", "0 T pci_p2pdma_add_resource\n")(f),
        ),
        "lockdown",
        "unknown",
        "cannot be read",
        "securityfs",
    ),
    "configuration cut": (
        lambda f: (
            drop("sys/kernel/security/lockdown")(f),
            put("boot/config-6.12.117-p2pdma", "CONFIG_PCI_P2PDMA=y\n")(f),
        ),
        "lockdown",
        "unknown",
        "cannot be read",
        "securityfs",
    ),
    "encrypted": (put("proc/cmdline", "quiet mem_encrypt=on\n"), "encryption", "problem", "mem_encrypt=on", "=off"),
    "confidential": (
        put("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t: fpu tdx_guest\n"),
        "encryption",
        "problem",
        "TDX",
        "confidential",
    ),
    "guest": (
        put("proc/cpuinfo", "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t: fpu hypervisor\n"),
        "hypervisor",
        "unknown",
        "virtual machine",
        "measure",
    ),
    "cpu not readable": (drop("proc/cpuinfo"), "encryption", "unknown", "not in the input", "dmesg"),
    "no command line": (drop("proc/cmdline"), "encryption", "unknown", "not in the input", "/proc/cmdline"),
    "multipath": (multipath, "multipath", "problem", "1 of 3 NVMe drives", "nvme_core.multipath=N"),
    "multipath unused": (
        put("sys/module/nvme_core/parameters/multipath", "Y\n"),
        "multipath",
        "ok",
        "none is below a multipath disk",
        "",
    ),
    "multipath not readable": (
        lambda f: (
            drop("sys/module/nvme_core/parameters/multipath")(f),
            (f / "sys/module/nvme_core/parameters").rmdir(),
        ),
        "multipath",
        "unknown",
        "not in the input",
        "multipath",
    ),
    "no word on the IOMMU": (lambda f: (f / "sys/class/iommu").rmdir(), "iommu", "unknown", "not in", "--iommu"),
    "IOMMU": (put(of_device("03:00.0", "iommu_group/type"), "DMA-FQ\n"), "iommu", "ok", "translates", ""),
    "IOMMU passes": (put(of_device("03:00.0", "iommu_group/type"), "identity\n"), "iommu", "ok", "passes", ""),
    "memory in use": (
        put(of_device(PROVIDER, "p2pmem/available"), "0\n"),
        "memory",
        "problem",
        "all of it in use",
        "more",
    ),
    "memory without pages": (
        lambda f: (
            put(of_device(PROVIDER, "p2pmem/size"), "0\n")(f),
            put(of_device(PROVIDER, "p2pmem/available"), "0\n")(f),
            put(of_device(PROVIDER, "p2pmem/published"), "0\n")(f),
        ),
        "memory",
        "problem",
        "without struct pages",
        "with pages",
    ),
    "memory not readable": (
        drop(of_device(PROVIDER, "p2pmem/available")),
        "memory",
        "unknown",
        "cannot be read",
        "as root",
    ),
}


@pytest.mark.parametrize("what", SYSTEM)
def test_system(what, examine):
    change, check, state, about, remedy = SYSTEM[what]
    status = {"ok": READY, "problem": NOT_READY, "unknown": NOT_KNOWN}[state]
    checks, ready = examine(change, status=status)
    assert checks[check][0] == state and about in checks[check][1] and remedy in (checks[check][2] or "")
    assert ready is {READY: True, NOT_READY: False, NOT_KNOWN: None}[status]
    # And nothing else has become worse.
    assert {name for name, (one, *_) in checks.items() if one != "ok"} == ({check} if state != "ok" else set())


def test_lockdown_does_not_hold_up_a_drive(examine):
    """What a driver knows to be memory is registered and mapped all the same."""
    locked = put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    checks, ready = examine(locked, DRIVES[0], PROVIDER, status=READY, whole=machine(driver="nvme"))
    assert ready is True and checks["lockdown"][0] == "ok" and "integrity" in checks["lockdown"][1]


@pytest.mark.parametrize(
    "files, state",
    [
        ({"boot/config-6.12.117-p2pdma": f"CONFIG_PCI=y\n{END}"}, "problem"),
        ({"boot/config-6.12.117-p2pdma": "CONFIG_PCI=y\n# CONFIG_PCI_P2PDMA is not set\n"}, "problem"),
        ({"boot/config-6.12.117-p2pdma": "CONFIG_PCI=y\n"}, "unknown"),  # it may be cut
        ({"proc/kallsyms": "0 T pci_enable\n0 T pci_p2pdma_add_resource\n"}, "ok"),
        ({"proc/kallsyms": "0 T pci_enable\n0 t one\t[module]\n"}, "problem"),
        ({"proc/kallsyms": "0 T pci_enable\n"}, "unknown"),
        ({"sys/module/pci_p2pdma/parameters/host_bridges": "\n"}, "ok"),
        ({}, "unknown"),
    ],
)
def test_kernel(files, state, examine):
    """By its configuration, by its symbols, by its parameter; where there is none of these nobody knows."""

    def change(folder):
        if "boot/config-6.12.117-p2pdma" not in files:
            (folder / "boot/config-6.12.117-p2pdma").unlink()
        write(folder, files)

    checks, _ = examine(change, status=NOT_READY, memory=False)
    assert checks["kernel"][0] == state and checks["memory"][0] == "problem"


def test_memory_missing(examine):
    checks, ready = examine(None, DRIVES[0], PROVIDER, status=NOT_READY, memory=False)
    assert ready is False and {name for name, (state, *_) in checks.items() if state == "problem"} == {"memory"}
    assert f"echo pci-p2pmem-stub >/sys/bus/pci/devices/0000:{PROVIDER}/driver_override" in checks["memory"][2]


def test_mask(examine):
    """A client of 32 bits, and memory above"""
    checks, _ = examine(put(of_device("03:00.0", "dma_mask_bits"), "32\n"), DRIVES[0], PROVIDER, status=NOT_READY)
    assert checks["dma-mask"][0] == "problem" and "32 bits" in checks["dma-mask"][1]
    checks, _ = examine(drop(of_device("03:00.0", "dma_mask_bits")), DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert checks["dma-mask"][0] == "unknown"


@pytest.mark.parametrize(
    "driver, files, state, words",
    [
        (None, {}, "problem", "no driver has it"),
        ("ahci", {}, "problem", "asks for no peer memory"),
        ("mlx5_core", {}, "problem", "no RDMA device"),
        ("mlx5_core", {of_device("03:00.0", "infiniband/mlx5_0/node_type"): "1: CA\n"}, "ok", "in RDMA"),
        ("amdgpu", {}, "ok", "dma-buf"),
        ("vfio-pci", {}, "unknown", "of its own"),
    ],
)
def test_driver(driver, files, state, words, examine):
    """The topology permits it, and the driver does not ask."""
    status = {"ok": READY, "problem": NOT_READY, "unknown": NOT_KNOWN}[state]
    checks, _ = examine(lambda f: write(f, files), DRIVES[0], PROVIDER, status=status, whole=only(driver=driver))
    assert checks["driver"][0] == state and words in checks["driver"][1]
    assert checks["route"][0] == "ok"


def cpu(vendor, flags):
    return put("proc/cpuinfo", f"vendor_id\t: {vendor}\ncpu family\t: 25\nflags\t\t: fpu {flags}\n\n")


@pytest.mark.parametrize(
    "vendor, flags, config, memory, state",
    [
        ("AuthenticAMD", "hypervisor", CONFIG, False, "unknown"),
        ("AuthenticAMD", "hypervisor", CONFIG + "CONFIG_AMD_MEM_ENCRYPT=y\n" + END, False, "unknown"),
        ("AuthenticAMD", "hypervisor", CONFIG + END, False, "ok"),
        ("AuthenticAMD", "hypervisor", CONFIG, True, "ok"),
        ("AuthenticAMD", "vme", CONFIG, False, "ok"),
        ("GenuineIntel", "hypervisor", CONFIG, False, "ok"),
    ],
)
def test_encryption_that_nothing_tells(vendor, flags, config, memory, state, examine):
    """A guest of plain SEV has no file that says so: that there is none is no sign of anything."""

    def change(folder):
        cpu(vendor, flags)(folder)
        put("boot/config-6.12.117-p2pdma", config)(folder)

    status = NOT_READY if not memory else NOT_KNOWN
    checks, _ = examine(change, DRIVES[0], PROVIDER, status=status, memory=memory)
    assert checks["encryption"][0] == state
    assert ("is in no file" in checks["encryption"][1]) is (state == "unknown")


REFUSAL = r"""
#define socket fake_socket
#define send fake_send
#define recv fake_recv
#include "netlink.c"

static struct message sent;
static int error;

int fake_socket(int domain, int type, int protocol)
{
	return 1000;
}

ssize_t fake_send(int to, const void *data, size_t size, int how)
{
	memcpy(&sent, data, size);
	return size;
}

/* There is a family of this name, and it refuses whatever it is asked. */
ssize_t fake_recv(int from, void *data, size_t size, int how)
{
	struct nlattr *attr = (struct nlattr *)sent.attrs;

	if (sent.nlh.nlmsg_type == GENL_ID_CTRL) {
		*attr = (struct nlattr){ NLA_HDRLEN + 2, CTRL_ATTR_FAMILY_ID };
		*(uint16_t *)(attr + 1) = 40;
		sent.nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN + 4;
	} else {
		sent.nlh.nlmsg_type = NLMSG_ERROR;
		sent.nlh.nlmsg_len = NLMSG_HDRLEN + sizeof(struct nlmsgerr);
		memcpy((char *)&sent + NLMSG_HDRLEN, &error, sizeof(error));
	}
	memcpy(data, &sent, sent.nlh.nlmsg_len);
	return sent.nlh.nlmsg_len;
}

int main(int argc, char **argv)
{
	struct netlink_route route;

	error = -atoi(argv[1]);
	printf("%d\n", netlink_ask("0000:03:00.0", "0000:04:00.0", &route) == NETLINK_GONE);
}
"""


ASKING = r"""
#define fopen fake_fopen
#include "kernel.c"

const char * const map_names[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE + 1];
const char * const p2pdma_reason_names[P2PDMA_REASON_COUNT];
static int result, opened;

enum netlink_result netlink_ask(const char *client, const char *provider, struct netlink_route *route)
{
	*route = (struct netlink_route){ .port = "-" };
	return result;
}

const char *pdev_text(char *text, const struct pci_dev *pdev)
{
	return "0000:03:00.0";
}

const char *port_text(char *text, const struct p2pdma_verdict *verdict)
{
	return "-";
}

enum certainty answer_certainty(const struct answer *answer)
{
	return UNKNOWN;
}

FILE *fake_fopen(const char *name, const char *mode)
{
	opened++;
	return NULL;
}

int main(void)
{
	struct kernel_says says;
	struct answer answer = {};

	for (result = NETLINK_NOBODY; result <= NETLINK_ANSWERED; result++) {
		kernel_ask(&answer, &says);
		printf("%d %d\n", opened, says.asked);
	}
}
"""


@pytest.fixture
def built(tool, tree, tmp_path):
    """built(code): a program of C that includes a source of p2ptopo"""

    def build(code):
        (tmp_path / "code.c").write_text(code)
        here = tree / "tools/pci/p2ptopo"
        folders = [here, here / "shim", tree / "drivers/pci/p2pdma", tool.parent / "include", tree]
        argv = ["gcc", "-std=gnu11", *(f"-I{folder}" for folder in folders), "-o", tmp_path / "code"]
        subprocess.run([*argv, tmp_path / "code.c"], check=True, capture_output=True, timeout=60)
        return tmp_path / "code"

    return build


def said_by(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def test_device_that_vanishes(tree, tmp_path):
    """The kernel says ENODEV of it, and of nothing else."""
    (tmp_path / "refusal.c").write_text("#include <stdlib.h>\n" + REFUSAL)
    build = ["gcc", "-std=gnu11", "-I", tree / "tools/pci/p2ptopo", "-I", tree, "-o", tmp_path / "refusal"]
    subprocess.run([*build, tmp_path / "refusal.c"], check=True, capture_output=True, timeout=60)
    for number, gone in ((errno.ENODEV, "1\n"), (errno.EPERM, "0\n"), (errno.EOPNOTSUPP, "0\n")):
        assert said_by(tmp_path / "refusal", str(number)) == gone


def test_vanished_is_not_asked_for_elsewhere(built):
    """Where there is no netlink debugfs is asked; of what has gone, and what was answered, it is not."""
    assert said_by(built(ASKING)) == "1 0\n1 0\n1 1\n"


# From text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_text_lacks(form, doctor):
    """What lspci does not show is not known, whatever it does show."""
    checks, ready = doctor(FORMS[form](machine()), DRIVES[0], PROVIDER, status=NOT_KNOWN)
    open_there = {name for name, (state, *_) in checks.items() if state == "unknown"}
    assert ready is None
    expected = {"kernel", "lockdown", "encryption", "iommu", "multipath", "memory", "dma-mask"}
    assert open_there == expected | ({"bar", "driver"} if form == "hex" else set())
    for name in ("route", "acs", "payload", "tags"):
        assert checks[name][0] == "ok"
    # An option of the command line stands for what is missing.
    checks, _ = doctor(FORMS[form](machine()), "--iommu", "off", DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert checks["iommu"][0] == "ok"


# what: (the machine, check, what it says, what its remedy says, the forms that have it)
HARDWARE = {
    "too small": (machine(bar=(0x380000000000, MIB)), "bar", "too small", "larger BAR", ["text"]),
    "not aligned": (
        machine(bar=(0x380000100000, 4 * MIB)),
        "bar",
        "not aligned to 2 MiB",
        "resource_alignment=21@",
        ["text"],
    ),
    "no address": (machine(bar=(0, 16 * GIB)), "bar", "no address", "Above 4G", ["text", "hex"]),
    "not decoded": (machine(memory=False), "bar", "not decoded", "enables the device", ["text", "hex"]),
    "no BAR": (machine(bar=None), "bar", "no memory BAR", "another provider", ["hex"]),
    "resizable": (
        machine(bar=(0x380000000000, 256 * MIB), resizable=(256 * MIB, 512 * MIB, 16 * GIB)),
        "bar",
        "can be resized to 16 GiB",
        "Resizable BAR",
        ["text", "hex"],
    ),
    "below 4 GiB": (machine(bar=(0xC0000000, 256 * MIB)), "bar", "below 4 GiB", "Above 4G", ["text"]),
    "payload": (
        only(payload=512),
        "payload",
        "0000:03:00.0 sends packets with 512 bytes",
        "pcie_bus_peer2peer",
        ["text", "hex"],
    ),
    "tags": (
        all_have(tags=(False, True)),
        "tags",
        "tags of 10 bits",
        "CAP_EXP+28.w=0:1000",
        ["text", "hex"],
    ),
    "blocked": (
        blocked(),
        "route",
        "acs-blocked",
        "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0000",
        ["text", "hex"],
    ),
    "other driver": (only(driver="ahci"), "driver", "asks for no peer memory", "does not ask", ["text"]),
}


@pytest.mark.parametrize("what, form", [(what, form) for what, case in HARDWARE.items() for form in case[4]])
def test_hardware(what, form, doctor):
    whole, check, about, remedy, _ = HARDWARE[what]
    checks, ready = doctor(FORMS[form](whole), DRIVES[0], PROVIDER, status=NOT_READY)
    assert ready is False and checks[check][0] == "problem"
    assert about in checks[check][1] and remedy in checks[check][2], checks[check]


def test_resizable_is_no_problem_of_a_drive(doctor):
    """A CMB is what it is; of a GPU peers see no more than its BAR."""
    whole = machine(bar=(0x380000000000, 256 * MIB), resizable=(256 * MIB, GIB), cls=0x0108)
    checks, _ = doctor(as_text(whole), DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert checks["bar"][0] == "ok" and "resized to 1 GiB" in checks["bar"][1]


def test_payload_is_what_is_set(doctor):
    """Device Capabilities have the word as well, and say what could be."""
    text = re.sub(r"\t+MaxPayload .*MaxReadReq.*\n", "", as_text(machine()))
    checks, _ = doctor(text, DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert checks["payload"][0] == "unknown"


@pytest.mark.parametrize("form", FORMS)
def test_tags_that_are_answered_to(form, doctor):
    checks, _ = doctor(FORMS[form](all_have(tags=(True, True))), DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert checks["tags"][0] == "ok" and "answers to them" in checks["tags"][1]


@pytest.mark.parametrize("size", [64, 256])
def test_not_read_is_not_fine(size, doctor):
    """Who is not root: nothing of ACS, of packets, or of the route is ok."""
    checks, _ = doctor(as_hex(machine(), size), DRIVES[0], PROVIDER, status=NOT_KNOWN)
    assert {checks[name][0] for name in ("route", "acs")} == {"unknown"}
    assert (checks["payload"][0], checks["tags"][0]) == (("unknown",) * 2 if size == 64 else ("ok",) * 2)
    checks, _ = doctor(as_hex(machine(), size), status=NOT_KNOWN)
    assert checks["acs"][0] == "unknown"


def test_no_detail_is_not_fine(doctor):
    """One line for each function, or bridges left out"""
    checks, _ = doctor("".join(fn.title() + "\n" for fn in machine()), status=NOT_KNOWN)
    assert {checks[name][0] for name in ("acs", "payload", "tags", "driver")} == {"unknown"}
    whole = [fn for fn in machine() if fn.address not in ("01:00.0", "02:00.0")]
    checks, _ = doctor(as_text(whole), *DRIVES, status=NOT_KNOWN)
    assert {checks[name][0] for name in ("route", "payload")} == {"unknown"}
    checks, _ = doctor(as_text(whole), status=NOT_KNOWN)
    assert checks["acs"][0] == "unknown"


def test_cpu_decides(doctor):
    whole = machine()
    whole[0].ids = (0x1022, 0x14D8)
    for fn in whole[1:3]:
        fn.ids = (0x1022, 0x14DB)
    checks, _ = doctor(as_text(whole), "06:00.0", PROVIDER, status=NOT_KNOWN)
    assert checks["route"][0] == "unknown" and "--cpu" in checks["route"][2]
    checks, _ = doctor(as_text(whole), "--cpu", "amd:0x19", "06:00.0", PROVIDER, status=NOT_KNOWN)
    assert checks["route"][0] == "ok"


def test_no_remedy_from_a_guess(doctor):
    """Where a bridge is not there, what would be worked out opens what ought to be closed."""
    for form in FORMS.values():
        whole = [fn for fn in machine() if fn.address != "00:01.0"]
        for fn in whole:
            fn.acs = fn.acs and (ALL, RR | CR | UF)
        checks, _ = doctor(form(whole), DRIVES[0], PROVIDER, status=NOT_KNOWN)
        for name in ("route", "acs"):
            assert checks[name][0] == "unknown" and "setpci" not in checks[name][2]
            assert "host_bridges" not in checks[name][2]


def test_doctor_in_words(run):
    said = run(as_text(only(payload=512)), "doctor", *DRIVES, status=NOT_READY)
    assert re.search(r"(?m)^problem  payload  .*512 bytes.*\n +-> pci=pcie_bus_peer2peer", said)
    assert said.splitlines()[-1].startswith("not ready: ")


# Pictures ------------------------------------------------------------------------------------------

COLORS = {"bus-addr": "#2e8b57", "host-bridge": "#e0a100", "none": "#d1495b", "unknown": "#8a8a8a"}


@pytest.fixture
def picture(run):
    def call(text, *argv):
        return ET.fromstring(run(text, "--svg", *argv))

    return call


def test_svg_of_a_matrix(picture, run):
    """A box for each function that matters or is above one, a cell for each pair in the colour of its route."""
    text = as_text(switch(ports=(ALL, CR)))
    root = picture(text)
    boxes = " ".join(one.text for one in root.iter(f"{SVG}text") if one.text)
    for fn in switch():
        assert (f"0000:{fn.address}" in boxes) is (fn.address != "00:00.0"), fn.address
    assert "host bridge 8086:2030" in boxes
    cells = {}
    for group in root.iter(f"{SVG}g"):
        halves = [one.get("fill") for one in group if one.tag in (f"{SVG}rect", f"{SVG}path")]
        cells[group.find(f"{SVG}title").text.split(":  ")[0].rpartition(": ")[0]] = halves
    routes = [one for one in json.loads(run(text, "--json"))["routes"] if one["client"] != one["provider"]]
    assert len(cells) == len(routes) == 12
    for route in routes:
        colors = [COLORS[route["read"]], COLORS[route["write"]]]
        assert cells[f"{route['client']} to {route['provider']}"] == colors[: 1 + (colors[0] != colors[1])]


@pytest.mark.parametrize(
    "ports, color, lines, thick",
    [
        (0, "bus-addr", 4, {"03:00.0", "02:00.0", "01:00.0", "02:01.0", "04:00.0"}),
        (RR | CR | UF, "host-bridge", 6, {"03:00.0", "02:00.0", "01:00.0", "00:01.0", "02:01.0", "04:00.0"}),
    ],
)
def test_svg_of_a_route(ports, color, lines, thick, picture):
    """What it passes, and not what it does not."""
    root = picture(as_text(switch(ports=(ALL, ports))), "explain", *DRIVES)
    marked, waiting = set(), None
    for one in root:
        if one.tag == f"{SVG}rect" and one.get("rx"):
            waiting = one
        elif one.tag == f"{SVG}text" and waiting is not None:
            if waiting.get("stroke-width") == "3":
                assert waiting.get("stroke") == COLORS[color]
                marked.add(one.text.split()[0].removeprefix("0000:"))
            waiting = None
    assert marked == thick
    # And the lines between these, up to the root complex if it is by way of that
    assert [one.get("stroke-width") for one in root.iter(f"{SVG}path") if one.get("fill") == "none"].count("3") == lines


def test_pictures_of_hostile_names(picture, run):
    """Names are text of the input: what means something in XML or dot does not get there."""
    text = as_text(switch()).replace("Some Maker Thing", 'A "<b>&\\ \x07\xe9').encode("latin-1")
    assert any('A "<b>&/' in (one.text or "") for one in picture(text).iter(f"{SVG}text"))
    for line in run(text, "--dot").splitlines():
        assert line.count('"') % 2 == 0, line


@pytest.mark.parametrize("name", [b"\xe9", b"\xc3\xa9", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_json_is_utf8(name, tool, tmp_path):
    """Names are, or are not; so are names of files."""
    file = os.fsencode(tmp_path) + b"/d\xff" + name
    with open(file, "wb") as dump:
        dump.write(as_text(switch()).encode().replace(b"Some Maker", name))
    done = subprocess.run([tool, "-F", file, "--json"], capture_output=True, check=True, timeout=60)
    names = {one["name"] for one in json.loads(done.stdout.decode("utf-8"))["devices"]}
    assert all(("\xe9" in one) == (name == b"\xc3\xa9") for one in names)


def test_dot(run):
    """Ports and devices, edges to what is above, and a coloured one for each route."""
    said = run(as_hex(switch(ports=(ALL, CR))), "--dot")
    nodes = re.findall(r'^ +"0000:(\S+)" \[label', said, re.M)
    assert sorted(nodes) == [fn.address for fn in switch() if fn.address != "00:00.0"]
    tree = re.findall(r'^ +"(?:0000:)?(\S+?(?: \S+)?)" -- "0000:(\S+)";', said, re.M)
    assert ("root 0000:00", "00:01.0") in tree and ("02:00.0", "03:00.0") in tree and len(tree) == 10
    routes = re.findall(
        r'"0000:(\S+)" -- "0000:(\S+)" \[dir=forward.* color="(\S+)", fontcolor.*label="([\w-]+)"', said
    )
    assert ("03:00.0", "04:00.0", COLORS["host-bridge"], "reads") in routes
    assert ("03:00.0", "04:00.0", COLORS["bus-addr"], "writes") in routes
    one = run(as_hex(switch()), "--dot", "explain", *DRIVES)
    assert one.count("dir=forward") == 1 and "06:00.0" not in one and "dotted" not in one
    none = run(as_hex(switch(ports=(ALL, RR | CR), root=(ALL, 0))), "--dot", "explain", *DRIVES)
    assert re.search(f"{COLORS['none']}.*style=dotted", none)


def root_complexes(num):
    """So many of them, with a switch and its two drives each"""
    machine = []
    for i in range(num):
        bus = 0x10 * i
        machine += [
            Function(f"{bus:02x}:00.0", (0x1022, 0x14D8), 0x0600, None),
            bridge(f"{bus:02x}:01.0", ROOT_PORT, bus + 1, bus + 4),
            bridge(f"{bus + 1:02x}:00.0", UPSTREAM, bus + 2, bus + 4),
            bridge(f"{bus + 2:02x}:00.0", DOWNSTREAM, bus + 3, bus + 3, port=1),
            bridge(f"{bus + 2:02x}:01.0", DOWNSTREAM, bus + 4, bus + 4, port=2),
            Function(f"{bus + 3:02x}:00.0"),
            Function(f"{bus + 4:02x}:00.0"),
        ]
    return machine


def test_dot_has_no_clusters(run):
    """Routes between clusters are what graphviz takes minutes for."""
    said = run(as_hex(root_complexes(2)), "--dot", "--cpu", "amd:0x19")
    assert "cluster" not in said and said.count("shape=ellipse") == 2 and said.count("{") == said.count("}") == 1


@pytest.mark.may_skip(reason="graphviz is not a part of every machine")
def test_dot_is_laid_out(run):
    """In seconds, of a machine with several root complexes"""
    dot = shutil.which("dot")
    if not dot:
        pytest.skip("no graphviz")
    said = run(as_hex(root_complexes(8)), "--dot", "--cpu", "amd:0x19")
    svg = subprocess.run([dot, "-Tsvg"], input=said, capture_output=True, text=True, check=True, timeout=60).stdout
    assert svg.count('class="node"') == 7 * 8 and svg.count('class="edge"') == 6 * 8 + 16 * 15


def test_nccl(run):
    """Devices below the upstream ports of switches, as NCCL has it; speed and width where they are known."""
    text = as_text(switch()).replace("\tCapabilities: [40] Express", "\tNUMA node: 1\n\tCapabilities: [40] Express")
    for form in (text, as_hex(switch())):
        root = ET.fromstring(run(form, "--nccl", "--cpu", "amd:0x19"))
        assert root.tag == "system" and root.get("version") == "1"
        (cpu,) = root
        assert cpu.tag == "cpu" and cpu.get("vendor") == "AuthenticAMD" and cpu.get("familyid") == "25"
        assert cpu.get("numaid") == ("1" if form is text else "-1")
        below = {node.get("busid"): [one.get("busid") for one in node] for node in cpu}
        assert below == {"0000:01:00.0": ["0000:03:00.0", "0000:04:00.0", "0000:05:00.0"], "0000:06:00.0": []}
        (other,) = ET.fromstring(run(form, "--nccl", "--cpu", "other:8"))
        assert not {"vendor", "arch", "familyid"} & set(other.keys())
        card = cpu.find(".//pci[@busid='0000:05:00.0']")
        assert card is not None and card.get("class") == "0x020000" and card.get("vendor") == "0x15b3"
        if form is text:
            assert card.get("link_speed") == "16.0 GT/s PCIe" and card.get("link_width") == "4"


def test_demo_shows_it(tmp_path, monkeypatch, capsys):
    """What p2ptopo says in the demo's guest: the matrix with its spaces, and the picture as a file."""
    monkeypatch.setattr(demo, "PICTURE", tmp_path / "picture.svg")
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    view = demo.View(topology.load("same-switch"), "lab")
    view.topology_seen()
    assert not capsys.readouterr().out and not list(tmp_path.iterdir())
    for line in (
        "matrix       [1]   [2]",
        "matrix ",
        "matrix   B  straight",
        "svg <svg>",
        "svg <g x='1  2'/>",
        "svg </svg>",
    ):
        view.line(vm_that_says(), f"# demo: {line}")
    view.topology_seen()
    assert "\n      [1]   [2]\n\n  B  straight\na picture of it: picture.svg\n" in capsys.readouterr().out
    assert (tmp_path / "picture.svg").read_text() == "<svg>\n<g x='1  2'/>\n</svg>\n"


def test_nccl_has_a_cpu_for_each_node(run):
    """Each device below the CPU of its NUMA node"""
    whole = [fn.text() for fn in switch()]
    text = "".join(
        one.replace("\tCapabilities: [40]", f"\tNUMA node: {int('06:00.0' in one)}\n\tCapabilities: [40]")
        for one in whole
    )
    found = {cpu.get("numaid"): [node.get("busid") for node in cpu] for cpu in ET.fromstring(run(text, "--nccl"))}
    assert found == {"0": ["0000:01:00.0"], "1": ["0000:06:00.0"]}


BAD = [
    (["--svg", "--json"], "expected one of them"),
    (["--nccl", "explain", *DRIVES], "expected matrix"),
    (["--svg", "doctor"], "doctor has words only"),
    (["--dot", "measure", *DRIVES, PROVIDER], "measure has words only"),
    (["doctor", "03:00.0"], "expected two addresses"),
    (["doctor", *DRIVES, PROVIDER], "expected two addresses"),
    (["doctor", "03:00.0", "09:00.0"], "there is no PCI function 09:00.0"),
    (["measure", *DRIVES], "expected three addresses"),
    (["measure", *DRIVES, PROVIDER], "it copies on this machine"),
    (["--cpu", "amd:0x19", "measure", *DRIVES, PROVIDER], "measure is about this machine as it is"),
    (["--policy", "8086:2030", "measure", *DRIVES, PROVIDER], "measure is about this machine as it is"),
    (["--iommu", "on", "measure", *DRIVES, PROVIDER], "measure is about this machine as it is"),
    (["-F", "other", "matrix"], "--file other: expected once"),
    (["--cpu", "amd:0x19", "--cpu", "amd:0x19"], "--cpu amd:0x19: expected once"),
]


@pytest.mark.parametrize("argv, words", BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_arguments(argv, words, run):
    said = run(as_hex(switch()), *argv, status=1)
    assert words in said and said.count("\n") == 1


def damaged(text, chance):
    """Lines lost, doubled or cut, bytes changed."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        spot = chance.randrange(len(line) or 1)
        lines[at] = chance.choice(
            ("", line + line, line[:spot], line[:spot] + chance.choice("f0-+: 9<[") + line[spot + 1 :], line + "0" * 99)
        )
    return "".join(lines)


def test_no_crash(tree, tmp_path):
    """Damaged dumps, with the compiler's checks of memory and of what C leaves open: an answer, or one line."""
    checks = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    out = tmp_path / "out"
    build = ["make", "-s", "-C", tree / "tools/pci/p2ptopo", f"O={out}", f"CFLAGS={checks}", out / "p2ptopo"]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    chance = random.Random(1)
    views = (["--json"], ["--svg"], ["--dot"], ["--nccl"], ["doctor"], ["explain", *DRIVES], ["doctor", *DRIVES])
    whole = machine(bar=(0x380000000000, 256 * MIB), resizable=(256 * MIB, GIB))
    whole[9].vfs = (2, 0x100, 1, 0x1018)
    answered = 0
    for _ in range(200):
        (tmp_path / "dump").write_text(damaged(chance.choice((as_text(whole), as_hex(whole, 0x1E0))), chance))
        done = subprocess.run(
            [out / "p2ptopo", "-F", tmp_path / "dump", "--dump", "1", *chance.choice(views)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, 1, 3, 4) and "Sanitizer" not in done.stderr, done.stderr
        assert done.stderr.count("\n") == (done.returncode == 1)
        answered += done.returncode != 1
    assert answered > 75


# What is written of it -------------------------------------------------------------------------------


def options(tool):
    said = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return set(re.findall(r"--[a-z-]+", said)), set(re.findall(r"OPTION\]\.\.\. \[?([a-z]+)", said))


def test_man_page_and_completion_have_all(tool):
    """Each option and each command of --help is in the man page, and is completed."""
    flags, verbs = options(tool)
    assert {"--json", "--svg", "--overwrite"} <= flags and verbs == {"matrix", "explain", "doctor", "measure"}
    page = (ROOT / "tools/pci/p2ptopo/p2ptopo.8").read_text().replace("\\-", "-")
    completion = ROOT / "tools/pci/p2ptopo/p2ptopo.bash"
    assert not {one for one in flags | verbs if one not in page}
    script = (
        f"source {completion}; COMP_WORDS=(p2ptopo {{}}); COMP_CWORD=1; _p2ptopo p2ptopo {{}} p2ptopo; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    for one in flags | verbs:
        said = subprocess.run(
            ["bash", "-c", script.replace("{}", one[:-1])], capture_output=True, text=True, check=True, timeout=60
        )
        assert one in said.stdout.split(), one


def test_completed_nodes_are_some():
    """A function of no node is of node -1, which no option takes."""
    script = (
        f"source {ROOT}/tools/pci/p2ptopo/p2ptopo.bash; COMP_WORDS=(p2ptopo --numa ''); COMP_CWORD=2; "
        "_p2ptopo p2ptopo '' --numa; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert all(node.isdigit() for node in said.stdout.split())


def keys(value):
    if isinstance(value, dict):
        return set(value) | {one for part in value.values() for one in keys(part)}
    return {one for part in value for one in keys(part)} if isinstance(value, list) else set()


def test_every_key_is_documented(run):
    """The schema in Documentation has all that --json prints, of each view."""
    page = (ROOT / "Documentation/admin-guide/p2ptopo.rst").read_text()
    listed = set(re.findall(r"``([a-z_]+)``", page))
    hidden = as_hex(switch((0x1022, 0x14D8), ports=(ALL, EC)), 64)
    said = [
        run(as_hex(switch((0x1022, 0x14D8))), "--json"),
        run(as_hex(switch(ports=(ALL, RR))), "--json", "explain", *DRIVES),
        run(hidden, "--json", "explain", *DRIVES),
        run(hidden, "--json", "doctor", status=NOT_KNOWN),
    ]
    printed = {key for one in said for key in keys(json.loads(one))} - {"amd-zen", "other"}
    assert len(printed) > 30 and not printed - listed, printed - listed
    source = (ROOT / "tools/pci/p2ptopo/json.c").read_text()
    written = set(re.findall(r'add\(\w+, "([a-z_]+)"', source))
    assert printed <= written and not written - listed, written - listed
