# SPDX-License-Identifier: GPL-2.0-only
"""What all tests share: tiers (fast first), the tree and the kernels they need, and strict counting."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from minikernel import MiniProject
from p2plib import ROOT
from p2plib.arch import X86_64
from p2plib.lab import topology
from p2plib.lab.vm import Vm


TIERS = {
    "test_tree.py": "tree",
    "test_mutants.py": "tree",
    "test_badinput.py": "tree",
    "test_nvmet_config.py": "tree",
    "test_pages.py": "tree",
    "test_p2ptopo.py": "p2ptopo",
    "test_p2ptopo_missing.py": "p2ptopo",
    "test_p2ptopo_paste.py": "p2ptopo",
    "test_p2ptopo_views.py": "p2ptopo",
    "test_lint.py": "lint",
    "test_build.py": "build",
    "test_deb.py": "packages",
    "test_kunit.py": "kunit",
    "test_lab.py": "end-to-end",
    "test_debug.py": "debug kernel",
    "test_kcsan.py": "KCSAN kernel",
    "test_arch.py": "other architectures",
}
ORDER = list(dict.fromkeys(TIERS.values()))
# Seconds of a test, by tier, on two processors and with nothing built: for the estimate, until there are times of here.
COLD = {
    "tree": 0.7,
    "p2ptopo": 0.1,
    "lint": 60,
    "build": 25,
    "packages": 2,
    "kunit": 18,
    "end-to-end": 7.5,
    "bench": 2.5,
}
TIMES = ROOT / "build" / "test" / "seconds.json"


def tier(item):
    return TIERS.get(item.path.name, item.path.stem.removeprefix("test_"))


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also the tests marked `all`")
    parser.addoption("--result", metavar="FILE", help="write the counts there, as JSON")


@pytest.hookimpl(trylast=True)  # after -k has chosen
def pytest_collection_modifyitems(config, items):
    usual = [i for i in items if not i.get_closest_marker("all")]
    named = config.getoption("keyword")
    if not config.getoption("all") and (usual or not named):
        config.hook.pytest_deselected(items=[i for i in items if i not in usual])
        items[:] = usual
    items.sort(key=lambda i: ORDER.index(tier(i)) if tier(i) in ORDER else len(ORDER))


class Counts:
    """One verdict per test, whatever its phases said; an error in set-up is a failure."""

    def __init__(self, config):
        self.config, self.verdict, self.seconds, self.tier = config, {}, {}, None
        self.took = {}  # by test, in seconds
        try:
            self.known = json.loads(TIMES.read_text(encoding="ascii"))
        except (OSError, ValueError):
            self.known = {}

    def pytest_collectreport(self, report):
        if report.failed or report.skipped:  # a whole file that skips itself hides its tests
            self.verdict[report.nodeid] = "failed"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if tier(item) != self.tier:
            self.tier = tier(item)
            print_through(self.config, f"\n== {self.tier} == {self.left(item.session.items)}".rstrip(" "))

    def left(self, items):
        """How long the tests that have not run will take, going by how long they took before."""
        seconds = sum(
            self.known.get(item.nodeid, COLD.get(tier(item), 60)) for item in items if item.nodeid not in self.took
        )
        return f"(about {seconds / 60:.0f} minutes left)" if seconds > 90 else ""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        if report.skipped and (hasattr(report, "wasxfail") or not item.get_closest_marker("may_skip")):
            report.outcome = "failed"
            report.longrepr = f"{item.name}: unexpected skip: mark it may_skip(reason) or mend it"
        if report.failed:
            given = "".join(f" {name}='{os.environ[name]}'" for name in ("KERNEL", "ACCEL") if os.environ.get(name))
            report.sections.append(("run it again", f"make test T='{item.name}'{given}"))
            self.verdict[report.nodeid] = "failed"
        elif report.skipped:
            self.verdict.setdefault(report.nodeid, "skipped")
        elif report.when == "call":
            self.verdict.setdefault(report.nodeid, "passed")
        self.seconds[tier(item)] = self.seconds.get(tier(item), 0) + call.duration
        self.took[item.nodeid] = round(self.took.get(item.nodeid, 0) + call.duration, 1)

    def pytest_terminal_summary(self, terminalreporter):
        for name, taken in self.seconds.items():
            minutes, seconds = divmod(int(taken), 60)
            terminalreporter.write_line(f"{name:12} {minutes}:{seconds:02d}")

    def pytest_sessionfinish(self):
        TIMES.parent.mkdir(parents=True, exist_ok=True)
        TIMES.write_text(json.dumps({**self.known, **self.took}, indent=0), encoding="ascii")
        if path := self.config.getoption("result"):
            counts = {v: list(self.verdict.values()).count(v) for v in ("passed", "failed", "skipped")}
            Path(path).write_text(json.dumps(counts), encoding="ascii")


def pytest_configure(config):
    config.pluginmanager.register(Counts(config), "p2p-counts")


def print_through(config, text):
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(text, flush=True)


class Runner:
    """Runs a script of ours, once per session for each argument list (and ARCH=), its progress in plain sight."""

    def __init__(self, config):
        self.config, self.done = config, {}

    def __call__(self, *argv, arch=X86_64):
        if (argv, arch) not in self.done:
            with self.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
                print(flush=True)
                self.done[argv, arch] = subprocess.run(
                    [ROOT / "scripts" / argv[0], *argv[1:]],
                    cwd=ROOT,
                    env={**os.environ, "ARCH": arch.name},
                    check=False,
                ).returncode
        if status := self.done[argv, arch]:
            pytest.fail(f"scripts/{' '.join(argv)}: exit status {status}, its message is above", pytrace=False)


def vm_that_says(*lines):
    """A VM that never ran, as if these were its results."""
    vm = Vm(topology.load("same-switch"), Path(), Path(), [], Path())
    vm.lines += lines
    return vm


@pytest.fixture(scope="session")
def progress(pytestconfig):
    return Runner(pytestconfig)


@pytest.fixture(scope="session")
def tree(progress):
    """The composed tree, up to date."""
    progress("tree")
    return ROOT / "build/tree"


@pytest.fixture(scope="session")
def kernel(progress, tree):
    """kernel("lab"): builds that configuration (once) and returns its O= folder."""

    def build(name, arch=X86_64):
        progress("build", name, arch=arch)
        return ROOT / "build/out" / arch.folder(name)

    return build


@pytest.fixture
def mini(tmp_path):
    """A project in small."""
    return MiniProject(tmp_path)


@pytest.fixture
def made(mini):
    """The same with its tree."""
    mini.ok("scripts/tree")
    return mini


@pytest.fixture
def script():
    """script("build", "x"): run a script of ours, return the finished process with its texts."""

    def run(name, *argv, **env):
        return subprocess.run(
            [ROOT / "scripts" / name, *argv],
            cwd=ROOT,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def tool(progress, tree):  # pylint: disable=unused-argument
    progress("tools")
    return ROOT / "build/tools/p2ptopo"


@pytest.fixture
def run(tool, tmp_path):
    """run(text, *argv): p2ptopo on a file with this text."""

    def call(text, *argv, status=0, name="dump"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = subprocess.run([tool, "-F", file, *argv], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        assert bool(done.stderr) == (status == 1), done.stderr
        return done.stderr if status == 1 else done.stdout

    return call
