# SPDX-License-Identifier: GPL-2.0-only
"""p2ptopo and input of which something is missing: the same verdict, or that it is not known; never another one."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

import lspci
from lspci import ALL, CR, EC, RR, UF, Function, as_hex, as_sysfs, as_text, switch
from p2plib import ROOT

DRIVES = ("03:00.0", "04:00.0")
FUNCTIONS = ("05:00.0", "05:00.1")
AMD = (0x1022, 0x14D8)
BOTH, DIRECT = ("host-bridge",) * 2, ("bus-addr",) * 2


def as_both(machine):
    return "".join(fn.text()[:-1] + fn.hex(0x1E0).split("\n", 1)[1] for fn in machine)


FORMS: dict[str, Callable[[list[Function]], str]] = {
    "hex": lambda machine: as_hex(machine, 0x1E0),
    "text": as_text,
    "both": as_both,
}


@pytest.fixture
def ask(run):
    """ask(text, client, provider, *options): the route of the pair"""

    def call(text, client, provider, *options):
        return json.loads(run(text, "--json", *options, "explain", client, provider))["route"]

    return call


def unknown(route):
    return route["certainty"] == "unknown" and route["read"] == route["write"] == "unknown"


def redirecting():
    return switch(ports=(ALL, RR | CR | UF))


def functions():
    """A card with two functions, which could reach each other inside it"""
    machine = switch()
    machine[9].acs = (ALL, 0)
    machine.insert(10, Function("05:00.1", (0x15B3, 0x1017), 0x0200, acs=(ALL, 0)))
    return machine


# Bytes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["00", "40", "60", "100", "140", "150"])
@pytest.mark.parametrize("how", ["lost", "mistyped"])
def test_row_lost(row, how, ask):
    """What is behind a row that is lost may be of another function, however much of it there is."""
    lines = as_hex(redirecting()).splitlines()
    at = lines.index(next(t for t in lines if t.startswith("02:00.0 ")))
    at += next(i for i, t in enumerate(lines[at:]) if t.startswith(f"{row}: "))
    lines[at] = lines[at].replace("0: ", "g: ", 1)
    route = ask("\n".join(lines[:at] + lines[at + (how == "lost") :]) + "\n", *DRIVES)
    if row == "150":  # the vector, which nothing asks for
        assert (route["read"], route["write"]) == BOTH
    else:
        assert unknown(route), route


def test_port_number_lost(ask):
    """Which bit of an egress vector is about a port is not known then; of port 0 it is not set."""
    machine = switch(ports=(ALL, EC))
    for fn in machine:
        fn.vector = 1 << 2
    text = as_hex(machine)
    assert ask(text, *DRIVES)["read"] == "none"
    at = text.index("40: ", text.index(machine[5].title()))
    row = text[at : text.index("\n", at)]
    assert unknown(ask(text[:at] + row[:-12] + " ?? ?? ?? ??" + text[at + len(row) :], *DRIVES))


def test_bytes_twice(run):
    """The first line of a function is lost."""
    text = as_hex(redirecting())
    said = run(text.replace(redirecting()[5].title() + "\n", ""), "--all", status=1)
    assert "bytes at this offset for the second time" in said and said.count("\n") == 1


def test_bytes_of_another(run):
    """The whole of one function but for its first line, and the first line of the next"""
    machine = switch()
    text = machine[8].title() + "\n" + machine[9].hex().split("\n", 1)[1]
    assert "these ids are not those of the bytes" in run(text, "--all", status=1)


# Text --------------------------------------------------------------------------------------------


def test_capability_register_lost(ask):
    """Functions that are not known to have a control are not known to reach each other."""
    pair = ("05:00.0", "05:00.1")
    text = as_text(functions())
    assert (ask(text, *pair)["read"], ask(text, *pair)["reason"]) == ("bus-addr", "same-device")
    assert unknown(ask(re.sub(r"\t\tACSCap.*\n", "", text), *pair))
    # And a root port without the control to forward forwards.
    text = as_text(switch(ports=(ALL, RR | CR), root=(ALL & ~UF, 0)))
    assert (ask(text, *DRIVES)["read"]) == "host-bridge"
    at = text.index("00:01.0 ")
    cut = text[:at] + re.sub(r"\t\tACSCap.*\n", "", text[at:], count=1)
    route = ask(cut, *DRIVES)
    assert unknown(route)
    assert route["not_read"] == [{"device": "0000:00:01.0", "what": "its ACS capability register"}]


TITLE = redirecting()[5].title()

# what the first line of the second port becomes
DAMAGED = {
    "bullet": "* " + TITLE,
    "tag": "<b>" + TITLE,
    "tag around": TITLE.replace("02:01.0", "<b>02:01.0</b>"),
    "ideographic space": "\u3000" + TITLE,
    "date": "Jun 01 " + TITLE,
    "tab": TITLE.replace("02:01.0 ", "02:01.0\t"),
    "cut": TITLE[:14],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", DAMAGED)
def test_first_line_damaged(how, form, run):
    """The lines below it are not of the function before."""
    text = FORMS[form](redirecting())
    said = run(text.replace(TITLE, DAMAGED[how]), "--all", status=1)
    line = text[: text.index(TITLE)].count("\n") + 1
    assert f":{line}: the first line of a function, but damaged" in said and said.count("\n") == 1


@pytest.mark.parametrize("number", range(1, 11))
def test_first_line_lost(number, run):
    machine = redirecting()
    said = run(as_text(machine).replace(machine[number].title() + "\n", ""), "--all", status=1)
    assert "is of another function than what is above it" in said and said.count("\n") == 1


def test_first_line_of_all_lost(run):
    said = run(as_text(switch()).split("\n", 1)[1], "--all", status=1)
    assert ":1: decoded text, but of which function?" in said


@pytest.mark.parametrize("line", ["\t\tACSCtl:\t", "\tStatus: Cap", "\tBus: primary", "\tCapabilities: [148 v1]"])
def test_line_twice(line, run):
    """A second one does not silently win."""
    text = as_text(redirecting())
    whole = next(t for t in text.splitlines(keepends=True) if t.startswith(line))
    said = run(text.replace(whole, whole + whole.replace("+", "-")), "--all", status=1)
    assert "is of another function" in said


def test_byte_order_mark(run):
    for form in FORMS.values():
        text = form(switch())
        assert run("\ufeff" + text, "--all", "--json") == run(text, "--all", "--json")


def test_express_lost(ask):
    """What has ACS, or capabilities behind the first 256 bytes, is PCI Express."""
    machine = redirecting()
    line = "\tCapabilities: [40] Express (v2) Downstream Port (Slot+), MSI 00\n"
    route = ask(as_text(machine).replace(line, ""), *DRIVES)
    assert unknown(route) or (route["read"], route["reason"]) == ("host-bridge", "acs-redirect")
    # A root port that is none would forward all.
    machine = switch(ports=(ALL, RR | CR), root=(ALL, 0))
    line = "\tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00\n"
    for pair in (DRIVES, ("03:00.0", "05:00.0")):
        route = ask(as_text(machine).replace(line, ""), *pair)
        assert unknown(route) or (route["read"], route["reason"]) == ("none", "acs-blocked")


STANZA = r"(?m)^\tCapabilities: \[148.*\n.*\n.*\n"

# What the three lines of ACS are replaced by
INSTEAD = {
    "dots": "...",
    "dots in brackets": "\t[...]",
    "snip": "[snip]",
    "tag": "<snip>",
    "grep's mark": "--",
    "ellipsis": "\t\u2026",
    "words": "[8 lines omitted]",
    "name cut": "\tCapabilities: [148 v1] Access Con",
    "offset cut": "\tCapabilities: [1",
    "word joined": "\tCapabilit-",
    "list broken": "\tCapabilities: [148] <chain looped>",
    "lspci of old": "\tCapabilities: [148 v1] #0d",
}


def grep(text):
    wanted = re.compile("[0-9a-f]|.*Bus:|.*Express|.*LnkSta:")
    return "".join(t for t in text.splitlines(keepends=True) if wanted.match(t))


@pytest.mark.parametrize("how", [*INSTEAD, "grep"])
def test_shortened(how, ask):
    """A record of which lines were left out has not said all."""
    text = as_text(redirecting())
    assert unknown(ask(grep(text) if how == "grep" else re.sub(STANZA, INSTEAD.get(how, "") + "\n", text), *DRIVES))


def test_cut_by_the_next(ask):
    """What a second dump cuts short is as incomplete as what the end of the file does."""
    machine = functions()[:-1]
    rest, last, again = as_text(machine[:-1]), machine[-1].text(), as_text(machine)
    cut = last[: last.index("\tCapabilities: [148")]
    for dumps in (rest + cut, rest + cut + again):
        assert ask(dumps, *FUNCTIONS, "--dump", "1")["certainty"] == "unknown"
    route = ask(rest + last + again, *FUNCTIONS, "--dump", "1")
    assert (route["read"], route["reason"]) == ("bus-addr", "same-device")


@pytest.mark.parametrize("form", ["text", "both"])
def test_tabs_turned_into_spaces(form, ask):
    machine = switch()
    machine[9].vfs = (2, 0x101, 1, 0x1018)
    machine += [Function("06:00.1", (0xFFFF, 0xFFFF), 0x0200, header={0: 0xFF, 1: 0xFF, 2: 0xFF, 3: 0xFF})]
    route = ask(FORMS[form](machine).replace("\t", "        "), "06:00.1", "03:00.0")
    assert (route["read"], route["reason"]) == ("bus-addr", "same-switch")


EXPECTED = (*BOTH, 8, "acs-redirect", "0000:02:00.0")


def short(route):
    return tuple(route[key] for key in ("read", "write", "distance", "reason", "port"))


def test_truncated_anywhere(ask):
    """Cut at any line: the right answer, or that it is not known, or that there is no such device."""
    for form in FORMS.values():
        lines = form(switch(ports=(ALL, RR))).splitlines(keepends=True)
        seen = set()
        first = next(i for i, t in enumerate(lines) if t.startswith("04:00.0"))
        for end in range(first + 1, len(lines) + 1, 1 if form is as_text else 16):
            route = ask("".join(lines[:end]), *DRIVES)
            seen.add(route["certainty"])
            if route["certainty"] == "certain":
                assert short(route) == EXPECTED
        assert "certain" in seen


def test_last_record_may_be_cut(ask):
    """What ends with the text may have had more capabilities."""
    text = as_text(functions()[:-1])
    assert short(ask(text, *FUNCTIONS))[3] == "same-device"
    route = ask(text[: text.index("\tCapabilities: [148", text.index("05:00.1 "))], *FUNCTIONS)
    assert route["certainty"] == "unknown" and route["not_read"] == [
        {"device": "0000:05:00.1", "what": "its extended capabilities, and with them its ACS"}
    ]


# Anything, anywhere ------------------------------------------------------------------------------

MACHINES: dict[str, list[Function]] = {
    "redirect": redirecting(),
    "not forwarded": switch(ports=(ALL, RR | CR), root=(ALL, 0)),
    "off": switch(ports=(ALL, 0)),
    "no ACS above": switch(ports=(ALL, RR | CR | UF), root=None),
    "functions": functions(),
    "AMD": switch(AMD, ports=(ALL, RR | CR | UF)),
}


def outcome(route):
    """What each CPU that it may be makes of it; None is not known"""
    if route["certainty"] == "unknown":
        return None
    cases = list(route["by_cpu"].values()) if route["certainty"] == "if-cpu" else [route]
    return [(one["read"], one["write"]) for one in cases]


@pytest.fixture
def verdicts(tool):
    """verdicts(text or folder): {pair: outcome}, None if it is refused"""

    def call(what):
        text = what if isinstance(what, str) else None
        done = subprocess.run(
            [tool, "--json", "-F", what if text is None else "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, 1) and done.stderr.count("\n") == done.returncode, done.stderr
        if done.returncode:
            return None
        return {(one["client"], one["provider"]): outcome(one) for one in json.loads(done.stdout)["routes"]}

    return call


def differing(base, after):
    """Pairs of which something else is said than that it is not known"""
    for pair, said in after.items():
        whole = base.get(pair)
        if said is None or whole is None or said == whole:
            continue
        # Where it hangs on the CPU now, one of the two is what it was; and not the other way round.
        if len(said) > len(whole) and whole[0] in said:
            continue
        yield pair, whole, said


def acs_cut_out(lines, at, num):
    """Is all there is of a function's ACS cut out? That is text of another machine, and whole: nothing shows it."""
    title = None
    for i, line in enumerate(lines):
        if re.match(r"\w\w:\w\w\.\w ", line):
            title = i
        if "Access Control Services" in line and title < at <= i and i + 3 <= at + num:
            return True
    return False


def without_blocks(text, chance, blocks, sizes) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for _ in range(blocks):
        at, num = chance.randrange(len(lines)), chance.choice(sizes)
        if not acs_cut_out(lines, at, num):
            yield "".join(lines[:at] + lines[at + num :])


def without_each_line(text) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for at in range(len(lines)):
        yield "".join(lines[:at] + lines[at + 1 :])


def cut_off(text, chance, cuts) -> Iterator[str]:
    """At any character, and what is left may look like whole lines and a whole record."""
    lines = text.splitlines(keepends=True)
    for _ in range(cuts):
        at = chance.randrange(len(text))
        line = text[:at].count("\n")
        yield text[:at]
        begun = bool(text[:at].rpartition("\n")[2].strip())
        if not acs_cut_out(lines, line + begun, len(lines)):
            yield text[:at] + "\n\n"


def check_all(verdicts, name, form, mutants):
    base = verdicts(FORMS[form](MACHINES[name]))
    assert base and any(base.values())
    answered = 0
    for text in mutants:
        after = verdicts(text)
        answered += after is not None
        assert not after or not list(differing(base, after)), (list(differing(base, after)), text)
    assert answered


@pytest.mark.parametrize(
    "name, form",
    [("redirect", "hex"), ("redirect", "text"), ("not forwarded", "text"), ("functions", "text"), ("AMD", "text")],
)
def test_any_line_lost(name, form, verdicts):
    check_all(verdicts, name, form, without_each_line(FORMS[form](MACHINES[name])))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MACHINES)
def test_any_block_lost(name, form, verdicts):
    text, chance = FORMS[form](MACHINES[name]), random.Random(f"{name} {form}")
    check_all(verdicts, name, form, without_blocks(text, chance, 25, (2, 3, 5, 10, 30, 100)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["redirect", "functions"])
def test_cut_anywhere(name, form, verdicts):
    text, chance = FORMS[form](MACHINES[name]), random.Random(f"{name} {form}")
    check_all(verdicts, name, form, cut_off(text, chance, 25))


@pytest.mark.all
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MACHINES)
def test_much_lost(name, form, verdicts):
    """The same, and more of it"""
    text, chance = FORMS[form](MACHINES[name]), random.Random(2)
    check_all(verdicts, name, form, without_each_line(text))
    check_all(verdicts, name, form, without_blocks(text, chance, 600, (2, 3, 4, 5, 7, 10, 20, 30, 50, 100)))
    check_all(verdicts, name, form, cut_off(text, chance, 300))


# Folders -----------------------------------------------------------------------------------------


@pytest.fixture
def ask_folder(tool):
    def call(folder, client, provider, *options):
        done = subprocess.run(
            [tool, "--json", "-F", folder, *options, "explain", client, provider],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["route"]

    return call


def test_tar(ask_folder, tmp_path):
    """tar takes a file of sysfs to be as long as it says, and fills it up with zeroes."""
    as_sysfs(tmp_path / "sys", redirecting())
    (tmp_path / "there").mkdir()
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "tar", "sys"], check=True, timeout=60)
    subprocess.run(["tar", "-C", tmp_path / "there", "-xf", tmp_path / "tar"], check=True, timeout=60)
    route = ask_folder(tmp_path / "there", *DRIVES)
    assert (route["read"], route["reason"], route["port"]) == ("host-bridge", "acs-redirect", "0000:02:00.0")


def test_function_left_out(ask_folder, verdicts, tmp_path):
    """A folder may have less than the machine: what is below what is not there is not known."""
    base = tmp_path / "whole"
    as_sysfs(base, switch(ports=(ALL, 0)))
    whole = verdicts(base)
    assert set(whole[("0000:03:00.0", "0000:04:00.0")]) == {DIRECT}
    for fn in switch():
        folder = tmp_path / fn.address
        shutil.copytree(base, folder, symlinks=True)
        (folder / f"bus/pci/devices/0000:{fn.address}").unlink()
        assert not list(differing(whole, verdicts(folder))), fn.address
    assert unknown(ask_folder(tmp_path / "01:00.0", *DRIVES))


@pytest.mark.parametrize("what", ["gone", "empty", "zeroes"])
def test_config_not_readable(what, ask_folder, verdicts, tmp_path):
    base = tmp_path / "whole"
    as_sysfs(base, switch((0x8086, 0x3405), ports=(ALL, 0)))
    whole = verdicts(base)
    for fn in switch():
        folder = tmp_path / fn.address
        shutil.copytree(base, folder, symlinks=True)
        config = (folder / f"bus/pci/devices/0000:{fn.address}").resolve() / "config"
        config.unlink()
        if what != "gone":
            config.write_bytes(bytes(4096 if what == "zeroes" else 0))
        assert not list(differing(whole, verdicts(folder))), fn.address
    assert unknown(ask_folder(tmp_path / "02:00.0", *DRIVES))


CPUINFO = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n"


@pytest.mark.parametrize("end", [None, 0, 20, CPUINFO.index("cpu"), CPUINFO.index("25") + 1, len(CPUINFO)])
def test_cpu_cut(end, ask_folder, tmp_path):
    """tar finds nothing in /proc/cpuinfo; what has no family is no other CPU."""
    as_sysfs(tmp_path / "sys", switch(AMD))
    if end is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(CPUINFO[:end])
    route = ask_folder(tmp_path, "03:00.0", "06:00.0")
    if end == len(CPUINFO):
        assert (route["certainty"], route["read"]) == ("certain", "host-bridge")
    else:
        assert route["certainty"] == "if-cpu"


def test_policy_of_the_folder(ask_folder, tmp_path):
    as_sysfs(tmp_path / "sys", switch((0x8086, 0x3405)))
    pair = ("03:00.0", "06:00.0")
    assert ask_folder(tmp_path, *pair, "--cpu", "intel:6")["reason"] == "root-complex-unknown"
    there = tmp_path / "sys/module/pci_p2pdma/parameters"
    there.mkdir(parents=True)
    # More than a line that is read has room for; a kernel takes that many without the words.
    filler = "1234:0000=reads+writes+between," + ",".join(f"1234:{i:04x}=reads+writes" for i in range(1, 15))
    (there / "host_bridges").write_text(f"{filler},8086:3405=reads+writes\n")
    assert ask_folder(tmp_path, *pair, "--cpu", "intel:6")["reason"] == "root-complex"
    assert ask_folder(tmp_path, *pair, "--cpu", "intel:6", "--policy", "8086:3405=none")["read"] == "none"


def test_folder_without_policy(tool, tmp_path):
    """It may be that nothing is said of host bridges there, or that it was not copied."""
    as_sysfs(tmp_path / "sys", switch())
    words = "pci_p2pdma.host_bridges= says there is not in the folder"
    given = ["--policy", "8086:3405"]
    for argv in (["matrix"], ["explain", *DRIVES], [*given, "matrix"], [*given, "explain", *DRIVES]):
        done = subprocess.run([tool, "-F", tmp_path, *argv], capture_output=True, text=True, check=True, timeout=60)
        assert (words in done.stdout) is ("--policy" not in argv)


def test_corpus(tool):
    """What is committed for fuzzers is what the generator here writes, and is read."""
    folder = ROOT / "tests/corpus/p2ptopo"
    assert {file.stem for file in folder.iterdir()} == set(lspci.corpus())
    for name, text in lspci.corpus().items():
        file = folder / f"{name}.txt"
        assert file.read_text() == f"# SPDX-License-Identifier: GPL-2.0-only\n{text}", "run python3 tests/lspci.py"
        subprocess.run([tool, "-F", file, "--all", "--dump", "1"], capture_output=True, check=True, timeout=60)


def test_segment_for_each_device(run):
    """Some hypervisors show no bridge: on bus 0 nothing can be missing above, and the CPU may be all it takes."""
    text = as_hex([Function("0001:00:00.0"), Function("0002:00:00.0"), Function("b8a3:00:02.0")], 0x1E0)
    pair = ("explain", "0001:00:00.0", "b8a3:00:02.0")
    route = json.loads(run(text, "--json", "--cpu", "amd:0x17", *pair))["route"]
    assert (route["read"], route["write"], route["reason"]) == (*BOTH, "root-complex")
    route = json.loads(run(text, "--json", *pair))["route"]
    assert route["certainty"] == "unknown" and not any("bridge above" in one["what"] for one in route["not_read"])
