# SPDX-License-Identifier: GPL-2.0-only
"""Packages: what becomes of a configuration, what is in them, that they install, and that their kernel serves."""

import gzip
import lzma
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from p2plib import BUILD, ROOT, Fail
from p2plib.kernel import debconfig, debtools
from p2plib.kernel.deb import FORGET, Deb
from p2plib.kernel.debconfig import Start, options
from p2plib.lab import programs, runner, topology
from test_build import warnings

DEBIAN = Start.named("")
TOOLCHAIN = re.compile(r"CONFIG_(CC_VERSION_TEXT|RUSTC?_|PAHOLE_|HAVE_RUST)")
OF_DEBUG_INFO = re.compile(r"CONFIG_(DEBUG_INFO|GDB_SCRIPTS|MODULE_ALLOW_BTF|PROBE_EVENTS_BTF|SCHED_CLASS_EXT)")
OURS = {
    "CONFIG_PCI_P2PDMA": "y",
    "CONFIG_PCI_P2PDMA_NETLINK": "y",
    "CONFIG_PCI_P2PMEM_STUB": "m",
    "CONFIG_LOCALVERSION": '"-p2pdma"',
}
HOOK = '#!/bin/sh\necho "$(basename "$(dirname "$0")") $*" >>/hooks\n'


@pytest.fixture
def configured(tree):
    """configured(Start): the options that come of it, in a folder of the tests."""
    return lambda start: options(Deb(start, name="deb-test").configure_only().read_text())


@pytest.fixture
def changed(tmp_path):
    """changed(OPTION=value): a Start with Debian's configuration, but for that."""

    def change(**values):
        text = DEBIAN.text()
        for name, value in values.items():
            text = re.sub(
                f"^CONFIG_{name}=.*$",
                f"CONFIG_{name}={value}" if value else f"# CONFIG_{name} is not set",
                text,
                flags=re.M,
            )
        (tmp_path / "config").write_text(text)
        return Start.named(str(tmp_path / "config"))

    return change


# The configuration ------------------------------------------------------------------------------


def test_debian(configured):
    """Debian's own, and nothing of it is another than what we ask for brings with it."""
    before, after = options(DEBIAN.text()), configured(DEBIAN)
    assert OURS.items() <= after.items()
    differ = {name for name in before | after if before.get(name) != after.get(name)}
    asked = {*OURS, *FORGET, "CONFIG_MODULE_SIG_ALL"}
    assert [n for n in sorted(differ - asked) if not TOOLCHAIN.match(n) and not OF_DEBUG_INFO.match(n)] == []
    assert "CONFIG_DEBUG_INFO" not in after and "CONFIG_KUNIT" not in after


def test_what_is_built_in_stays(configured, changed):
    """Keys of another machine do not stay."""
    keys = {"MODULE_SIG_FORMAT": 'y\nCONFIG_SYSTEM_TRUSTED_KEYS="debian/keys.pem"\nCONFIG_MODULE_SIG_KEY="/nowhere"'}
    after = configured(changed(BLK_DEV_NVME="y", CONFIGFS_FS="y", NVME_TARGET="", **keys))
    assert after["CONFIG_BLK_DEV_NVME"] == after["CONFIG_CONFIGFS_FS"] == "y"
    assert after["CONFIG_NVME_TARGET"] == after["CONFIG_NVME_TARGET_RDMA"] == "m"
    assert after["CONFIG_SYSTEM_TRUSTED_KEYS"] == '""' and after["CONFIG_MODULE_SIG_KEY"] == '"certs/signing_key.pem"'


@pytest.mark.parametrize(
    "name, words",
    (
        ("INET", "CONFIG_NVME_TCP is n instead of m, and .* more: it depends on .*, of which INET is not set"),
        ("PCI", "CONFIG_PCI_P2PDMA is n instead of y, .*: see drivers/pci/p2pdma/Kconfig for what"),
    ),
    ids=("INET", "PCI"),
)
def test_what_does_not_stick(name, words, configured, changed):
    with pytest.raises(Fail) as error:
        configured(changed(**{name: ""}))
    assert re.search(words, str(error.value)) and str(error.value).endswith(": start from another CONFIG_FROM=")


def test_packed(tmp_path):
    """As Debian's package, /boot and /proc have it; what is cut off is said."""
    text = b"CONFIG_X86_64=y\nCONFIG_A=m\nCONFIG_B=m\n"
    for packed in (text, gzip.compress(text), lzma.compress(text)):
        (tmp_path / "config").write_bytes(packed)
        assert debconfig.modules(Start.named(str(tmp_path / "config")).text()) == 2
        if packed != text:
            (tmp_path / "config").write_bytes(packed[:-9])
            with pytest.raises(Fail, match="cannot be unpacked"):
                Start.named(str(tmp_path / "config")).text()


def test_running(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(Fail, match="CONFIG_FROM=running: no /boot/config-.* and no /proc/config.gz"):
        Start.named("running")


# The package with the tools ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def tools(tree, progress):
    progress("tools")
    return debtools.build("6.12.1-1")


def listed(deb):
    said = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
    return {words[5].removeprefix("."): words[0] for words in map(str.split, said.splitlines())}


def test_tools(tools, tmp_path):
    files = listed(tools)
    for name in ("/usr/sbin/p2ptopo", "/usr/sbin/nvmet-config.sh"):
        assert files[name] == "-rwxr-xr-x"
    for name in (
        "/usr/share/man/man8/p2ptopo.8.gz",
        "/usr/share/bash-completion/completions/p2ptopo",
        "/lib/systemd/system/nvmet-config.service",
        "/usr/share/doc/pci-p2pdma-tools/pci-p2pdma.rst.gz",
    ):
        assert files[name] == "-rw-r--r--"
    assert all(mode == "drwxr-xr-x" for name, mode in files.items() if name.endswith("/"))
    depends = subprocess.run(["dpkg-deb", "-f", tools, "Depends"], capture_output=True, text=True, check=True).stdout
    assert "libpci3" in depends and "libjson-c5" in depends
    subprocess.run(["dpkg-deb", "-x", tools, tmp_path], check=True)
    said = subprocess.run([tmp_path / "usr/sbin/p2ptopo", "--help"], capture_output=True, text=True, check=True).stdout
    assert "explain" in said


# Kernel packages of a small configuration -------------------------------------------------------


@pytest.fixture(scope="module")
def packages(tree, progress):
    """{"image": path, ...}"""
    progress("setup", "base", "build", "tools", "deb")
    progress("tools")
    progress("deb", "--from", "lab")
    found = {deb.name.split("-")[1]: deb for deb in (BUILD / "deb-lab").glob("*.deb")}
    assert sorted(found) == ["headers", "image", "p2pdma"]
    return found


@pytest.fixture(scope="module")
def release(packages):
    """The kernel's."""
    return packages["image"].name.partition("_")[0].removeprefix("linux-image-")


@pytest.mark.all
def test_kernel_packages(packages, release):
    """Without a word of the compiler; beside another 6.12, newer than the build before."""
    assert warnings(BUILD / "out/deb-lab/kernel") == []
    assert re.fullmatch(r"6\.12\.\d+-p2pdma", release)
    files = listed(packages["image"])
    for name in ("nvme/target/nvmet.ko.xz", "nvme/host/nvme.ko.xz", "pci/p2pdma/pci-p2pmem-stub.ko.xz"):
        assert f"/lib/modules/{release}/kernel/drivers/{name}" in files
    assert f"/boot/vmlinuz-{release}" in files and f"/boot/config-{release}" in files
    assert [name for name in files if not name.endswith("/") and release not in name and "/doc/" not in name] == []
    versions = {deb.name.split("_")[1] for deb in packages.values()}
    assert len(versions) == 1 and re.fullmatch(r"6\.12\.\d+-\d{12}", versions.pop())


def dpkg(root, *argv):
    command = ["dpkg", f"--root={root}", "--force-depends", "--force-not-root", *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.all
def test_install_and_remove(packages, release, tmp_path):
    """Beside another kernel, which stays; the hooks that make an initramfs and a boot menu are called for ours."""
    for folder in ("bin", "boot", "var/lib/dpkg/updates", "var/lib/dpkg/info", "usr"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", tmp_path / "bin/busybox")
    for applet in ("sh", "run-parts", "dirname", "basename"):
        (tmp_path / "bin" / applet).symlink_to("busybox")
    for name in ("status", "available"):
        (tmp_path / "var/lib/dpkg" / name).touch()
    for script in ("preinst", "postinst", "prerm", "postrm"):
        hook = tmp_path / f"etc/kernel/{script}.d/hook"
        hook.parent.mkdir(parents=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)
    other = tmp_path / "boot/vmlinuz-6.12.999-amd64"
    other.write_text("of the distribution")
    dpkg(tmp_path, "-i", *packages.values())
    assert (tmp_path / f"boot/vmlinuz-{release}").is_file() and other.is_file()
    assert (tmp_path / f"usr/src/linux-headers-{release}/Module.symvers").is_file()
    assert (tmp_path / "usr/sbin/nvmet-config.sh").is_file()
    names = [f"linux-{what}-{release}" for what in ("image", "headers")]
    dpkg(tmp_path, "-r", *names, debtools.NAME)
    said = (tmp_path / "hooks").read_text().splitlines()
    ours = f"{release} /boot/vmlinuz-{release}"
    assert said == [f"{script}.d {ours}" for script in ("preinst", "postinst", "prerm", "postrm")]
    assert other.is_file() and not (tmp_path / f"boot/vmlinuz-{release}").exists()
    assert not (tmp_path / f"lib/modules/{release}/kernel").exists() and not (tmp_path / "usr/sbin").exists()


@pytest.mark.all
def test_apt_takes_them(packages, release):
    """Nothing of the distribution has to go, or to become older."""
    done = subprocess.run(
        ["apt-get", "install", "--simulate", *packages.values()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in (f"linux-image-{release}", f"linux-headers-{release}", debtools.NAME):
        assert f"\nInst {name} " in done.stdout
    assert "\nRemv " not in done.stdout and "DOWNGRADED" not in done.stdout


@pytest.mark.all
def test_package_serves(packages, release, tmp_path):
    """Its vmlinuz and its modules, signed and compressed as Debian's are, serve a namespace from peer memory."""
    root = tmp_path / "root"
    for deb in (packages["image"], packages["p2pdma"]):
        subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "unpacked"], check=True)
    for part in ("lib/modules", "usr/sbin"):
        shutil.copytree(tmp_path / "unpacked" / part, root / part)
    image = tmp_path / f"unpacked/boot/vmlinuz-{release}"
    run = runner.Run(
        topology.load("ram-provider"),
        programs.PACKAGE,
        config="deb-lab",
        kernel=image,
        tree=ROOT / "build/tree",
        root=root,
    ).go()
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
    assert release in run.vm.console()
