# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites, all in one boot of the lab's kernel, on a machine with a switch and drives.

CONFIG= names another kernel of build/out (debug).
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from p2plib import ROOT
from p2plib.lab import checks, programs, runner, topology

from conftest import print_through, vm_that_says

CONFIG = os.environ.get("CONFIG") or "lab"
WHERE = "same-switch"


@pytest.fixture(scope="module")
def boot(kernel):
    kernel(CONFIG)
    return runner.run(WHERE, "kunit", config=CONFIG)


@pytest.mark.parametrize("run", [f"{WHERE}.kunit"])
def test_boot(run, boot):
    if not boot.passed:
        pytest.fail(boot.explain(), pytrace=False)


@pytest.mark.parametrize("suite", checks.suites())
def test_suite(suite, boot, pytestconfig):
    verdict = checks.suite_verdicts(boot.vm.lines).get(suite, "did not run")
    if not verdict.startswith("ok "):
        report = (boot.folder / "ktap.report").read_text()
        pytest.fail(f"{suite}: {verdict}\n" + "\n".join(failed(report, suite)), pytrace=False)
    print_through(pytestconfig, f"\n{suite}: {verdict[3:].strip()}")


def failed(report, suite):
    """What kunit.py's report has on this suite."""
    found = re.search(rf"^=+ {suite} \(.*?^=+ .*{suite}.* =+$", report, re.M | re.S)
    return (found[0] if found else report).splitlines()[-60:]


def said(run, pattern):
    return re.findall(pattern, "\n".join(run.vm.lines))


def test_random_pairs(boot):
    """The normal run asks for 100,000 pairs, and says how to have the same again."""
    assert sum(map(int, said(boot, r"# random_routes: (\d+) pairs on"))) >= (100_000 if CONFIG == "lab" else 1)
    assert len(set(said(boot, r"# random_\w+: random_test.seed=([1-9]\d*) repeats this"))) == 3


def test_devices_are_neighbours(boot):
    """The suite on emulated devices has the machine it was written for."""
    assert said(boot, r"# devices_verdicts: \S+: ([\w-]+), distance (\d+)") == [("same-switch", "4")] * 2


@pytest.mark.all
def test_random_long(kernel):
    """Ten times as many; with random_test.fabrics= as many as one likes."""
    kernel("lab")
    program = programs.suite_alone("p2pdma_random")
    run = runner.Run(
        topology.load(WHERE), replace(program, cmdline=f"{program.cmdline} random_test.fabrics=320", timeout=1800)
    ).go()
    assert run.passed, run.explain()
    assert said(run, r"# random_routes: (\d+) pairs on (\d+) fabrics") == [("1024000", "320")]


def test_suite_that_did_not_run():
    """One suite short, or one too many, is no pass whatever the others say."""

    def reasons(*names):
        lines = [f"ok {number} {name}" for number, name in enumerate(names, 1)]
        return checks.check_kunit(vm_that_says(*lines), {})

    declared = checks.suites()
    assert reasons(*declared) == []
    assert reasons(*declared[1:]) == [f"kunit: suite {declared[0]} did not run"]
    assert reasons(*declared, "p2pdma_other") == ["kunit: suite p2pdma_other is in no file of ours"]


# --- large fabrics, in instructions ---


@pytest.fixture(scope="module")
def scale(kernel, pytestconfig):
    """[(endpoints, providers, instructions of a lookup, of a find, of a registration)], growing."""
    kernel("lab")
    run = runner.Run(topology.load(WHERE), programs.suite_alone("p2pdma_scale"), accel="icount", timeout=900).go()
    assert run.passed, run.explain()
    text = "\n".join(run.vm.lines)
    found = re.findall(r"# scale_fabrics: (\d+) endpoints, (\d+) providers: lookup (\d+) ns, find (\d+) ns", text)
    registered = dict(re.findall(r"# scale_fabrics: (\d+) providers registered: (\d+) ns each", text))
    found = [(*numbers, registered[numbers[1]]) for numbers in found]
    print_through(
        pytestconfig,
        "\n"
        + "\n".join(
            f"{n} endpoints, {p} providers: lookup {lookup} instructions, " f"find {find}, registration {each} each"
            for n, p, lookup, find, each in found
        ),
    )
    return [tuple(map(int, numbers)) for numbers in found]


def test_scale_lookup(scale):
    """It does not grow with the fabric."""
    assert [(n, p) for n, p, *_ in scale] == [(256, 4), (1024, 16), (4096, 64)]
    lookups = [lookup for _, _, lookup, *_ in scale]
    assert max(lookups) <= 1.05 * min(lookups), lookups


def test_scale_find(scale):
    """It grows no faster than the number of providers: each of them costs the same."""
    per_provider = [(b[3] - a[3]) / (b[1] - a[1]) for a, b in zip(scale, scale[1:])]
    assert max(per_provider) <= 1.1 * min(per_provider), (per_provider, scale)
    assert all(find <= 1.1 * scale[0][3] * p / scale[0][1] for _, p, _, find, _ in scale), scale


def test_scale_registration(scale):
    """Nor does that: a provider more costs what those before it did. The first few may cost more."""
    each = [numbers[4] for numbers in scale]
    assert all(b <= 1.03 * a for a, b in zip(each, each[1:])), each


# --- the usual way: kunit.py, from the composed tree ---

# On a machine that lacks the devices it is --arch x86_64, and the suite that needs them skips itself.
ARCH = "x86_64_p2pdma"


def kunit_py(verb, tree, folder, *argv, arch=ARCH):
    return subprocess.run(
        [
            sys.executable,
            "-B",
            "tools/testing/kunit/kunit.py",
            verb,
            "--arch",
            arch,
            "--build_dir",
            folder,
            "--kunitconfig",
            "drivers/pci/p2pdma/tests",
            *argv,
        ],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def test_kunitconfig(tree, tmp_path):
    """Every symbol that it names takes, on top of the kernel's own defaults."""
    done = kunit_py("config", tree, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def built(kernel, tmp_path):
    """A build folder of kunit.py with the lab's kernel, as to build one takes minutes."""
    image = tmp_path / "arch/x86/boot/bzImage"
    image.parent.mkdir(parents=True)
    image.symlink_to(kernel("lab") / "arch/x86/boot/bzImage")
    return tmp_path


def test_kunitconfig_lab(tree, kernel):
    """The lab's kernel has all that .kunitconfig asks for: what kunit.py would run, runs there."""
    wanted = (tree / "drivers/pci/p2pdma/tests/.kunitconfig").read_text().split("\n")
    has = (kernel("lab") / ".config").read_text().split("\n")
    assert [line for line in wanted if line.startswith("CONFIG_") and line not in has] == []


def test_kunit_py_devices(tree, built):
    """The machine of our qemu_config has the devices."""
    done = kunit_py("exec", tree, built, "--timeout", "120", "p2pdma_devices")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Ran (\d+) tests: passed: \1$", done.stdout, re.M), done.stdout


@pytest.mark.all
def test_kunit_py_x86_64(tree, built):
    """The kernel's own machine lacks them: the suite skips itself, all others pass."""
    done = kunit_py("exec", tree, built, "--timeout", "600", "p2pdma_*", arch="x86_64")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    ((passed, skipped),) = re.findall(r"Ran \d+ tests: passed: (\d+), skipped: (\d+)$", done.stdout, re.M)
    cases = len(re.findall(r"^\tKUNIT_CASE", (tree / "drivers/pci/p2pdma/tests/devices_test.c").read_text(), re.M))
    assert int(passed) > 100 and int(skipped) >= cases, done.stdout[-4000:]


@pytest.mark.all
def test_kunit_py_run(tree):
    """From nothing, with a kernel that holds only what .kunitconfig asks for."""
    folder = ROOT / "build" / "kunit"
    shutil.rmtree(folder, ignore_errors=True)
    done = kunit_py(
        "run",
        tree,
        folder,
        "--make_options",
        "CC=ccache gcc",
        "--jobs",
        str((os.cpu_count() or 1) + 1),
        "--timeout",
        "600",
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
