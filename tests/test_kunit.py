# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites, all in one boot of the lab's kernel, on a machine with a switch and drives.

CONFIG= names another kernel of build/out (debug).
"""

import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lab import programs, runner, topology

from conftest import ROOT, print_through

CONFIG = os.environ.get("CONFIG") or "lab"
WHERE = "same-switch"


@pytest.fixture(scope="module")
def boot(kernel):
    return runner.run(WHERE, "kunit", config=CONFIG, kernel=kernel(CONFIG) / "arch/x86/boot/bzImage")


@pytest.mark.parametrize("run", [f"{WHERE}.kunit"])
def test_boot(run, boot):                           # pylint: disable=unused-argument
    if not boot.passed:
        pytest.fail(boot.explain(), pytrace=False)


@pytest.mark.parametrize("suite", programs.suites())
def test_suite(suite, boot, pytestconfig):
    verdict = programs.suite_verdicts(boot.vm.lines).get(suite, "did not run")
    if not verdict.startswith("ok "):
        report = (boot.folder / "ktap.report").read_text()
        pytest.fail(f"{suite}: {verdict}\n" + "\n".join(failed(report, suite)), pytrace=False)
    print_through(pytestconfig, f"\n{suite}: {verdict[3:].strip()}")


def failed(report, suite):
    """What kunit.py's report has on this suite."""
    found = re.search(rf"^=+ {suite} \(.*?^=+ .*{suite}.* =+$", report, re.M | re.S)
    return (found[0] if found else report).splitlines()[-60:]


def test_suite_that_did_not_run():
    """One suite short, or one too many, is no pass whatever the others say."""
    def reasons(*names):
        lines = [f"ok {number} {name}" for number, name in enumerate(names, 1)]
        return programs.check_kunit(SimpleNamespace(lines=lines), None)
    declared = programs.suites()
    assert reasons(*declared) == []
    assert reasons(*declared[1:]) == [f"kunit: suite {declared[0]} did not run"]
    assert reasons(*declared, "p2pdma_other") == ["kunit: suite p2pdma_other is in no file of ours"]


# --- large fabrics, in instructions ---

@pytest.fixture(scope="module")
def scale(kernel, pytestconfig):
    """[(endpoints, providers, instructions of a lookup, of a find)], growing."""
    run = runner.Run(topology.load(WHERE), programs.suite_alone("p2pdma_scale"), accel="icount", timeout=900,
                     kernel=kernel("lab") / "arch/x86/boot/bzImage").go()
    assert run.passed, run.explain()
    found = re.findall(r"# scale_fabrics: (\d+) endpoints, (\d+) providers: lookup (\d+) ns, find (\d+) ns",
                       "\n".join(run.vm.lines))
    print_through(pytestconfig, "\n" + "\n".join(f"{n} endpoints, {p} lenders: lookup {lookup} instructions, find {find}"
                                                 for n, p, lookup, find in found))
    return [tuple(map(int, numbers)) for numbers in found]


def test_scale_lookup(scale):
    """It does not grow with the fabric."""
    assert [(n, p) for n, p, _, _ in scale] == [(256, 4), (1024, 16), (4096, 64)]
    lookups = [lookup for _, _, lookup, _ in scale]
    assert max(lookups) <= 1.05 * min(lookups), lookups


def test_scale_find(scale):
    """It grows no faster than the number of lenders: each of them costs the same."""
    per_lender = [(b[3] - a[3]) / (b[1] - a[1]) for a, b in zip(scale, scale[1:])]
    assert max(per_lender) <= 1.1 * min(per_lender), (per_lender, scale)
    assert all(find <= 1.1 * scale[0][3] * p / scale[0][1] for _, p, _, find in scale), scale


# --- the usual way: kunit.py, from the composed tree ---

# On a machine that lacks the devices it is --arch x86_64, and the suite that needs them skips itself.
ARCH = "x86_64_p2pdma"


def kunit_py(verb, tree, folder, *argv):
    return subprocess.run([sys.executable, "-B", "tools/testing/kunit/kunit.py", verb, "--arch", ARCH, "--build_dir",
                           folder, "--kunitconfig", "drivers/pci/p2pdma/tests", *argv],
                          cwd=tree, capture_output=True, text=True, check=False)


def test_kunitconfig(tree, tmp_path):
    """Every symbol that it names takes, on top of the kernel's own defaults."""
    done = kunit_py("config", tree, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kunit_py_devices(tree, kernel, tmp_path):
    """The machine of our qemu_config has the devices; the kernel is the lab's, as to build one takes minutes."""
    image = tmp_path / "arch/x86/boot/bzImage"
    image.parent.mkdir(parents=True)
    image.symlink_to(kernel("lab") / "arch/x86/boot/bzImage")
    done = kunit_py("exec", tree, tmp_path, "--timeout", "120", "p2pdma_devices")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Ran (\d+) tests: passed: \1$", done.stdout, re.M), done.stdout


@pytest.mark.all
def test_kunit_py_run(tree):
    """From nothing, with a kernel that holds only what .kunitconfig asks for."""
    folder = ROOT / "build" / "kunit"
    shutil.rmtree(folder, ignore_errors=True)
    done = kunit_py("run", tree, folder, "--make_options", "CC=ccache gcc", "--jobs", str(os.cpu_count() + 1),
                    "--timeout", "600")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
