# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites, all in one boot of the lab's kernel, on a machine with a switch and drives.

CONFIG= names another kernel of build/out (debug).
"""

import os
import re
from types import SimpleNamespace

import pytest

from lab import programs, runner

from conftest import print_through

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
