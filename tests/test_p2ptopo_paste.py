# SPDX-License-Identifier: GPL-2.0-only
"""p2ptopo on text as people paste it: cut at its top, without ids, two machines in one, numbers that contradict."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from lspci import (
    ALL,
    CR,
    DOWNSTREAM,
    EC,
    RC_END,
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
from p2plib import ROOT

DRIVES = ("03:00.0", "04:00.0")
ACROSS = ("03:00.0", "06:00.0")  # by way of the root complex
FORMS: dict[str, Callable[[list[Function]], str]] = {"hex": as_hex, "text": as_text}
KNOWN, NOT_LISTED, AMD = (0x8086, 0x2030), (0x8086, 0x3405), (0x1022, 0x14D8)
NOT_READY, NOT_KNOWN = 3, 4


@pytest.fixture
def ask(run):
    """ask(text, client, provider, *options): what JSON has to say of the pair"""

    def call(text, client, provider, *options):
        return json.loads(run(text, "--json", *options, "explain", client, provider))

    return call


@pytest.fixture
def checks(run):
    """checks(text, status, *arguments): {check: (state, about, remedy)} of doctor"""

    def call(text, status, *argv):
        said = json.loads(run(text, "--json", "doctor", *argv, status=status))
        return {one["check"]: (one["state"], one["about"], one["remedy"]) for one in said["checks"]}

    return call


def plain(text):
    """lspci without -n"""
    return re.sub(r" \[[0-9a-f]{4}:[0-9a-f]{4}\]| \[[0-9a-f]{4}\](?=:)", "", text)


def is_open(route, *possible):
    return (
        route["certainty"] == "unknown"
        and route["read"] == route["write"] == "unknown"
        and set(route["possible_read"]) == set(possible)
    )


# Which host bridge it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ids, root_ids", [(NOT_LISTED, KNOWN), (NOT_LISTED, (0x8086, 0x3408)), (KNOWN, NOT_LISTED)])
def test_top_cut_off(ids, root_ids, form, ask, run):
    """Without its first record a root port would stand for the host bridge, whichever that is."""
    machine = switch(ids, root_ids=root_ids)
    text = FORMS[form](machine[1:])
    answer = ask(text, *ACROSS)
    assert is_open(answer["route"], "none", "host-bridge")
    assert {one["device"] for one in answer["route"]["not_read"]} == {"0000:00:01.0"}
    assert answer["host_bridges"] == [{"id": None, "routes": [], "says": "unknown"}]
    said = run(text, "explain", *ACROSS)
    assert "host_bridges=8086" not in said and f"host bridge {root_ids[0]:04x}" not in said
    assert " ?.id" in run(text) and "host bridge 8086" not in run(text, "--svg")
    assert ask(text, *DRIVES)["route"]["certainty"] == "certain"
    given = ask(text, *ACROSS, "--host-bridge", f"00:00.0={ids[0]:04x}:{ids[1]:04x}")
    whole = ask(FORMS[form](machine), *ACROSS)
    assert given["route"] == whole["route"] and given["host_bridges"] == whole["host_bridges"]


def test_top_cut_off_below_amd(ask):
    """The CPU routes whatever stands for the host bridge."""
    text = as_text(switch(AMD)[1:])
    assert ask(text, *ACROSS, "--cpu", "amd:0x19")["route"]["read"] == "host-bridge"
    policy = ["--cpu", "amd:0x19", "--policy", "1022:14d7=none"]
    assert is_open(ask(text, *ACROSS, *policy)["route"], "none", "host-bridge")


def shared_number(ids):
    """Egress control of the client's root port goes by the number of the provider's, which a third one has, too."""
    third = bridge("00:03.0", ROOT_PORT, 7, 7, acs=(ALL, 0), port=2, ids=ids)
    machine = switch(ids, root=(ALL, EC))
    return [*machine[:3], third, *machine[3:]]


@pytest.mark.parametrize("ids", [NOT_LISTED, KNOWN])
def test_dropped_or_not(ids, ask):
    """What ACS drops if one thing is so that is not in the input gets up to the host bridge if it is not."""
    machine = shared_number(ids)
    without_ids = plain(machine[0].text()) + as_text(machine[1:])
    for text in (without_ids, as_text(machine[1:]), as_hex(machine[1:])):
        route = ask(text, *ACROSS)["route"]
        assert is_open(route, "none", "host-bridge") and len(route["not_read"]) > 1
    # It is none either way where that host bridge is known not to route.
    whole = ask(as_hex(shared_number(NOT_LISTED)), *ACROSS)["route"]
    assert (whole["certainty"], whole["read"]) == ("certain", "none")


def second_root(first):
    """A root bus in the middle of a machine, or at its end, with two drives below ports of it"""
    return [
        *first,
        bridge("20:01.0", ROOT_PORT, 0x21, 0x21, ids=NOT_LISTED),
        bridge("20:02.0", ROOT_PORT, 0x22, 0x22, ids=NOT_LISTED),
        Function("21:00.0"),
        Function("22:00.0"),
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pair", [("21:00.0", "22:00.0"), ("03:00.0", "21:00.0"), ("21:00.0", "03:00.0")])
def test_hole_at_a_root_bus(pair, form, ask, run):
    """Its 00.0 may have been lost though it is not the first in the text."""
    zero = Function("20:00.0", KNOWN, 0x0600, None)
    whole = FORMS[form](second_root([*switch(KNOWN), zero]))
    text = FORMS[form](second_root(switch(KNOWN)))
    answer = ask(text, *pair)
    assert is_open(answer["route"], "none", "host-bridge")
    assert {one["device"] for one in answer["route"]["not_read"]} == {"0000:20:01.0"}
    assert "host_bridges=8086" not in run(text, "explain", *pair) and " ?.id" in run(text)
    given = ask(text, *pair, "--host-bridge", "20:00.0=8086:2030")
    assert given["route"] == ask(whole, *pair)["route"] and given["route"]["read"] == "host-bridge"
    # What reaches each other elsewhere does so.
    assert ask(text, *ACROSS)["route"]["certainty"] == "certain"


def test_root_bus_without_zero(ask, run):
    """Such there are, as VMD's, and one may say that it is so."""
    text = as_text(second_root(switch(KNOWN)))
    said = run(text, "explain", "21:00.0", "22:00.0")
    assert "if that bus has none, --host-bridge with the first function that it has" in said
    answer = ask(text, "21:00.0", "22:00.0", "--host-bridge", "20:01.0=8086:3405")
    assert answer["route"]["certainty"] == "certain" and answer["route"]["reason"] == "root-complex-unknown"
    assert [one["id"] for one in answer["host_bridges"]] == ["8086:3405"]


def test_folder_has_all_root_buses(tool, tmp_path):
    """A folder says itself what is on a root bus."""
    as_sysfs(tmp_path / "sys", switch(KNOWN)[1:])
    argv = [tool, "-F", tmp_path, "--json", "explain", *ACROSS]
    said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert said["route"]["certainty"] == "certain"


def test_remedy_without_ids(ask, run, checks):
    """Nobody can name 0000:0000."""
    machine = switch(NOT_LISTED, ports=(ALL, RR | CR), root=(ALL, 0))
    text = plain(as_text(machine))
    answer = ask(text, *DRIVES, "--cpu", "intel:6")
    assert answer["route"]["reason"] == "acs-blocked" and answer["route"]["certainty"] == "certain"
    assert [one["id"] for one in answer["host_bridges"]] == [None]
    said = run(text, "--cpu", "intel:6", "explain", *DRIVES)
    assert "whose ids are not in the input" in said and "pci=disable_acs_redir=" in said
    doctor = checks(text, NOT_READY, "--cpu", "intel:6", *DRIVES)
    for words in (said, answer["to_change"], answer["why"], *doctor["route"]):
        assert "0000:0000" not in words and "host_bridges=8" not in words
    assert "0000:0000 are no ids" in run(text, "--policy", "8086:2030,0000:0000=none", status=1)


def test_settled_by_cpu_or_ids(ask, run, checks):
    """Where ids are not there the CPU may be enough, and they can be given."""
    text = plain(as_text(switch(KNOWN)))
    for said in (run(text), run(text, "explain", *ACROSS), checks(text, NOT_KNOWN, *ACROSS)["route"][2]):
        assert "--cpu amd:0x19" in said and "--host-bridge" in said
    assert "--cpu amd:0x19" not in run(text, "--cpu", "intel:6", "explain", *ACROSS)
    assert ask(text, *ACROSS, "--cpu", "amd:0x19")["route"]["read"] == "host-bridge"
    answer = ask(text, *ACROSS, "--cpu", "intel:6", "--host-bridge", "00:00.0=8086:2030")
    assert answer["route"]["reason"] == "root-complex" and answer["route"]["certainty"] == "certain"


@pytest.mark.parametrize(
    "value, words",
    [
        ("00:00.0", "expected BDF=VVVV:DDDD"),
        ("00:00.0=8086:2g30", "expected BDF=VVVV:DDDD"),
        ("00:00.0=8086:20300", "expected BDF=VVVV:DDDD"),
        ("00:00.0=8086:2031", "the input has other ids"),
        ("00:03.0=8086:2030", "there is no such function"),
        ("03:00.0=144d:a808", "stands for no host bridge"),
        ("00:01.0=8086:2030", "stands for no host bridge"),
    ],
)
def test_host_bridge_that_is_none(value, words, run):
    assert words in run(as_hex(switch(KNOWN)), "--host-bridge", value, status=1)


def test_policy_is_in_no_text(run):
    words = "what pci_p2pdma.host_bridges= says there is not in the input"
    text = as_text(switch(KNOWN))
    assert words in run(text) and words in run(text, "explain", *ACROSS)
    assert words not in run(text, "explain", *DRIVES)
    assert words not in run(text, "--policy", "8086:2030", "explain", *ACROSS)


def test_cpu_of_another(run, ask):
    """What stands for a host bridge speaks of the CPU; there is one --cpu."""
    words = "--cpu says AMD, but 0000:00:00.0 is 8086:3405"
    text = as_text(switch(NOT_LISTED))
    for argv in ([], ["explain", *ACROSS]):
        assert words in run(text, "--cpu", "amd:0x19", *argv)
        assert words not in run(text, "--cpu", "amd:0x15", *argv) + run(text, *argv)
    assert "--cpu intel:25: expected once" in run(text, "--cpu", "amd:0x19", "--cpu", "intel:25", status=1)
    assert ask(text, *ACROSS, "--cpu", "intel:25")["route"]["read"] == "none"
    assert "--cpu says" not in run(as_text(switch((0x8086, 0x29C0))), "--cpu", "amd:0x19")


# Where one machine ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_two_machines(form, run, ask):
    """lspci sorts: where an address falls another machine begins, though none is there twice."""
    first, second = FORMS[form](switch(ports=(ALL, RR))[1:6]), FORMS[form]([switch()[0], *switch()[6:]])
    said = run(first + second, "--all", status=1)
    assert f":{first.count(chr(10)) + 1}: another dump begins here, as lspci sorts" in said
    assert "--dump 1 to 2" in said
    assert {one["address"] for one in json.loads(run(first + second, "--dump", "2", "--json"))["devices"]} == {
        "0000:03:00.0",
        "0000:04:00.0",
        "0000:05:00.0",
        "0000:06:00.0",
    }
    assert "--dump 1 to 11" in run(FORMS[form](switch()[::-1]), "--all", status=1)
    # A list before them has all of them, and says nothing.
    titles = "".join(fn.title() + "\n" for fn in switch())
    assert ask(titles + "\n" + FORMS[form](switch()), *DRIVES)["route"]["certainty"] == "certain"


# Lines that are not as they were printed -------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_nul(form, run):
    """A byte 0 would hide what is behind it."""
    text = FORMS[form](switch(ports=(ALL, RR | CR | UF)))
    at = text.index("\n", text.index("02:00.0 ")) + 60
    said = run(text[:at] + "\0" + text[at:], *["explain", *DRIVES], status=1)
    assert f":{text[:at].count(chr(10)) + 1}: a byte 0" in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start", [1, 995, 1000, 4711, 123456])
@pytest.mark.parametrize("mark", ":-")
def test_line_numbers(start, mark, form, run):
    """Those of grep -n are no segments, and what they hide is not left out."""
    lines = FORMS[form](switch()).splitlines()
    text = "".join(f"{start + i}{mark}{line}\n" for i, line in enumerate(lines))
    assert "line numbers are in front of the lines" in run(text, "--all", status=1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("segment", ["0001", "1000", "10000"])
def test_segments_are_no_line_numbers(segment, form, run):
    text = re.sub(r"^(?=\w\w:\w\w\.\w )", f"{segment}:", FORMS[form](switch()), flags=re.M)
    assert f"{segment}:03:00.0" in run(text)


# what: (the text, what it is called)
OTHER_FORMS = {
    "-t": ("-[0000:00]-+-00.0\n           \\-01.0-[01]----00.0\n", "lspci -t"),
    "-vmm": ("Slot:\t00:00.0\nClass:\tHost bridge\nVendor:\tX\n\n", "lspci -vmm"),
    "-mm": ('00:00.0 "Host bridge" "Maker" "Thing" -r02\n', "lspci -mm"),
    "-PP": (as_text(switch()).replace("03:00.0 Non", "00:01.0/01:00.0/02:00.0/03:00.0 Non"), "lspci -PP"),
    "colour": ("".join(f"\x1b[1m{t}\x1b[0m\n" for t in as_hex(switch()).splitlines()), "colours"),
    "times": ("".join(f"Nov 28 16:58:42.123456 {t}\n" for t in as_text(switch()).splitlines()), "such as a time"),
    "CR only": (as_hex(switch()).replace("\n", "\r"), "end with CR alone"),
}


@pytest.mark.parametrize("what", OTHER_FORMS)
def test_other_forms(what, run):
    text, words = OTHER_FORMS[what]
    assert words in run(text, "--all", status=1)


# name: (pair, text, of whom something is missing)
LOST = {
    "LnkCap": r"\t\tLnkCap.*\n",
    "DevCtl": r"\t\tDevCtl:.*\n",
    "DevCtl2": r"\t\tDevCtl2.*\n",
    "AER": r"\tCapabilities: \[100 v1\].*\n",
    "LnkSta2": r"\t\tLnkSta2.*\n",
    "log": r"\t\t(\tMultHdr|HeaderLog).*\n",
    "registers": r"\t\t([UC]E[SM].*:|UESvrt|AERCap|\tMultHdr|HeaderLog).*\n",
    **{name: rf"\t\t{name}:.*\n" for name in ("UESta", "UEMsk", "UESvrt", "CESta", "CEMsk", "AERCap")},
}


@pytest.mark.parametrize("what", LOST)
def test_neighbours_lost(what, ask):
    """Lines that stand beside each other in each record: where one is lost, so may be a capability."""
    machine = switch(ports=(ALL, RR | CR | UF))
    text = as_text(machine)
    assert ask(text, *DRIVES)["route"]["reason"] == "acs-redirect"
    at = text.index("02:00.0 ")
    end = text.index("\n\n", at)
    record = re.sub(r"\tCapabilities: \[148.*\n.*\n.*(\n|$)", "", text[at:end] + "\n")
    assert ask(text[:at] + record + text[end + 1 :], *DRIVES)["route"]["certainty"] == "certain"
    lost = re.sub(LOST[what], "", record)
    assert lost != record
    assert ask(text[:at] + lost + text[end + 1 :], *DRIVES)["route"]["certainty"] == "unknown"


def test_hole_behind_the_name_of_error_reporting(ask):
    """What is lost there may be a record's end, with its ACS, and the beginning of those that follow."""
    text = as_text(switch(ports=(ALL, RR | CR)))
    at = text.index("Advanced Error Reporting\n", text.index("02:00.0 ")) + len("Advanced Error Reporting\n")
    assert ask(text[:at] + "\n" + text[text.index("02:01.0 ") :], *DRIVES)["route"]["certainty"] == "unknown"
    # Without -vv there are no registers, and with lspci of old none is known.
    old = re.sub(LOST["registers"], "", text).replace("Error Reporting", "Error Reporting <?>")
    assert ask(old, *DRIVES)["route"]["reason"] == "acs-redirect"


@pytest.mark.parametrize("flag", ["TransBlk", "CmpltRedir", "EgressCtrl", "DirectTrans"])
@pytest.mark.parametrize("indent", ["", "\t\t\t", "> "])
def test_wrapped_flags(flag, indent, ask):
    """Mail clients wrap lines: what goes on with the flag that is next belongs to the line before."""
    text = as_text(switch(ports=(ALL, RR | CR | UF)))
    wrapped = re.sub(rf"(ACSC..:.*?) ({flag})", rf"\1\n{indent}\2", text)
    assert wrapped.count("\n") > text.count("\n")
    assert ask(wrapped, *DRIVES) | {"source": ""} == ask(text, *DRIVES) | {"source": ""}


def test_flags_not_whole_are_named(ask, run, checks):
    """The rest of a line that is not there, or is something else, is not taken from elsewhere."""
    text = as_text(switch(ports=(ALL, RR | CR | UF)))
    at = text.index("ACSCtl:", text.index("02:00.0 "))
    cut = text.index(" EgressCtrl", at)
    end = text.index("\n", at)
    line = text[:at].count("\n") + 1
    for rest in ("", "\nDirectTrans-", "\nEgressCtrl", "\nEgressCtrl- DirectTrans- More+"):
        damaged = text[:cut] + rest + text[end:]
        answer = ask(damaged, *DRIVES)["route"]
        assert answer["certainty"] == "unknown"
        (what,) = [one["what"] for one in answer["not_read"]]
        assert what.startswith("its ACS control: ") and what.endswith(f"dump:{line}: ACSCtl is not whole")
        assert f"dump:{line}: ACSCtl is not whole" in run(damaged) and what in run(damaged, "explain", *DRIVES)
        assert f"dump:{line}: ACSCtl is not whole" in checks(damaged, NOT_KNOWN, *DRIVES)["acs"][1]


def asleep(fn):
    """As lspci has what does not answer"""
    return fn.title().replace("(rev 01)", "(rev ff) (prog-if ff)") + "\n\t!!! Unknown header type 7f\n\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [1, 3, 4])
def test_bridge_that_sleeps(which, form, ask, run):
    """It reads as ones; what is below it is not below nothing."""
    machine = switch()
    whole = machine[which]
    machine[which].header = {at: 0xFF for at in range(4096)}
    text = "".join(fn.hex() if form == "hex" else asleep(fn) if fn is whole else fn.text() for fn in machine)
    answer = ask(text, *DRIVES)["route"]
    assert is_open(answer, "none", "bus-addr", "host-bridge")
    named = [one["device"] for one in answer["not_read"] if "it sleeps, or is gone" in one["what"]]
    assert named == [f"0000:{whole.address}"]
    assert "power/control wakes what sleeps" in run(text, "explain", *DRIVES)
    assert "sleeps" not in run(as_hex(switch(), 64), "explain", *DRIVES)


def test_end_of_a_root_complex_has_no_link(ask):
    machine = switch() + [Function("ff:00.0", (0x8086, 0x0B25), 0x0302, RC_END)]
    text = re.sub(r"(Integrated Endpoint.*\n)\t\tLnkCap.*\n", r"\1", as_text(machine))
    text += Function("ff:01.0", (0x8086, 0x0B25), 0x0600, None).text()
    assert ask(text, "03:00.0", "ff:00.0")["route"]["certainty"] == "certain"


# Segments -----------------------------------------------------------------------------------------


def in_segments(*segments):
    """A switch in each, and in the last one a drive more"""
    text = "".join(
        re.sub(r"(?m)^(?=\w\w:\w\w\.\w )", f"{segment}:", as_hex(switch(KNOWN), 0x160)) for segment in segments
    )
    return text + Function(f"{segments[-1]}:07:00.0", kind=RC_END).hex(0x160)


def test_segment_left_out(run, ask):
    """An address is that of the only segment that has it, and no guess where several have."""
    text = in_segments("0000", "0001", "10000")
    words = "several segments have a 03:00.0: use 0000:03:00.0 or 0001:03:00.0 or 10000:03:00.0"
    for argv in (["explain", *DRIVES], ["doctor", *DRIVES], ["-s", "03:00.0"], ["explain", "10000:04:00.0", "03:00.0"]):
        assert words in run(text, *argv, status=1), argv
    (only,) = json.loads(run(text, "--json", "-s", "07:00.0"))["devices"]
    assert only["address"] == "10000:07:00.0"
    one = in_segments("0001")
    assert ask(one, *DRIVES)["route"]["client"] == "0001:03:00.0"
    assert "there is no PCI function 0000:03:00.0" in run(one, "explain", "0000:03:00.0", "04:00.0", status=1)
    many = in_segments(*(f"{i:04x}" for i in range(20)))
    assert "or 0007:03:00.0 or another\n" in run(many, "-s", "03:00.0", status=1)


def test_segment_of_a_host_bridge_left_out(run, ask):
    """It is that of its bus, though the function is not in the text."""
    text = re.sub(r"(?m)^(?=\w\w:\w\w\.\w )", "0001:", as_hex(switch(KNOWN)[1:]))
    answer = ask(text, *ACROSS, "--host-bridge", "00:00.0=8086:2030")
    assert answer["route"]["certainty"] == "certain" and answer["host_bridges"][0]["id"] == "8086:2030"
    both = in_segments("0000", "0001")
    assert "several segments have" in run(both, "--host-bridge", "00:00.0=8086:2030", status=1)
    both = re.sub(r"(?m)^000.:00:00.0 .*\n(..: .*\n)*", "", both)
    assert "several segments have this bus" in run(both, "--host-bridge", "00:00.0=8086:2030", status=1)


# Bus numbers ---------------------------------------------------------------------------------------


def same_secondary(machine):
    machine[5].buses = (3, 3)


def range_that_is_none(machine):
    machine[4].buses = (3, 0)


def beyond_the_range(machine):
    machine[1].buses = (1, 2)


def other_primary(machine):
    machine[4].header = {0x18: 0x77}


def leads_back(machine):
    machine[4].buses = (1, 5)


WRONG = {
    "same secondary": (same_secondary, {"0000:02:00.0", "0000:02:01.0"}),
    "subordinate 0": (range_that_is_none, {"0000:02:00.0"}),
    "range": (beyond_the_range, {"0000:00:01.0"}),
    "primary": (other_primary, {"0000:02:00.0"}),
    "leads back": (leads_back, {"0000:00:01.0", "0000:02:00.0"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_numbers_contradict(what, ask, run):
    """No bridge comes first: where nobody knows who leads there, nobody knows the way."""
    change, bridges = WRONG[what]
    machine = switch(ports=(ALL, RR | CR | UF))
    change(machine)
    text = as_hex(machine)
    answer = ask(text, *DRIVES)["route"]
    assert is_open(answer, "none", "bus-addr", "host-bridge")
    assert bridges <= {one["device"] for one in answer["not_read"] if "contradict" in one["what"]}
    said = run(text, "explain", *DRIVES)
    assert "to change that" not in said and "contradict" in said and " ?.path" in run(text)


def test_primary_hard_wired_to_zero(ask):
    machine = switch(ports=(ALL, RR | CR | UF))
    machine[4].header = {0x18: 0}
    assert ask(as_hex(machine), *DRIVES)["route"]["reason"] == "acs-redirect"


def test_path_not_known(ask, run):
    """Where bridges are not there, the last that is there is no host bridge."""
    machine = [fn for fn in switch() if fn.address not in ("02:00.0", "02:01.0")]
    text = as_text(machine)
    assert ask(text, *DRIVES)["host_bridges"] == []
    said = run(text, "explain", *DRIVES)
    assert "host bridge 144d" not in said and "  ? bridges that are not in the input" in said
    said = run(text, "explain", "03:00.0", "06:00.0")
    assert said.index("  ? bridges") < said.index("= host bridge 8086:2030")
    assert [one["id"] for one in ask(text, "03:00.0", "06:00.0")["host_bridges"]] == ["8086:2030"]


# Which devices -------------------------------------------------------------------------------------

CLASSES = {
    "Serial Attached SCSI controller": 0x0107,
    "RAID bus controller": 0x0104,
    "Non-Volatile memory controller": 0x0108,
    "Fabric controller": 0x0208,
    "Infiniband controller": 0x0207,
    "Ethernet controller": 0x0200,
    "Token ring network controller": 0x0201,
    "XGA compatible controller": 0x0301,
    "3D controller": 0x0302,
    "RAM memory": 0x0500,
    "CXL": 0x0502,
    "Co-processor": 0x0B40,
    "Processing accelerators": 0x1200,
    "SNIA Smart Data Accelerator Interface (SDXI) controller": 0x1201,
    "Class 1280": 0x1280,
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_by_name(name, run):
    """Without -n there is nothing but the name, and with it the same devices are listed."""
    text = plain(as_text(switch())).replace("06:00.0 Non-Volatile memory controller", f"06:00.0 {name}")
    devices = {one["address"]: one for one in json.loads(run(text, "--json"))["devices"]}
    assert devices["0000:06:00.0"]["class"] == f"{CLASSES[name]:04x}"
    assert "class is not known" not in run(text)


def test_class_that_nobody_knows(run):
    text = plain(as_text(switch())).replace("06:00.0 Non-Volatile memory controller", "06:00.0 Flux capacitor")
    assert "1 of 11 functions: their class is not known: --all has them" in run(text)
    assert "0000:06:00.0" in run(text, "--all")


def test_bridge_as_an_end(run):
    for ends in (("02:00.0", "03:00.0"), ("03:00.0", "02:00.0")):
        assert "it is a bridge, which passes on" in run(as_text(switch()), "explain", *ends)
    assert "it is a bridge" not in run(as_text(switch()), "explain", *DRIVES)


def test_hypervisor_in_a_line(run):
    words = "a hypervisor shows this topology"
    guest, bare = as_text(switch((0x8086, 0x29C0))), as_text(switch(KNOWN))
    assert words in run(guest) and words in run(guest, "explain", *DRIVES)
    assert words not in run(bare) and words not in run(bare, "explain", *DRIVES)


# What is said of it ----------------------------------------------------------------------------------


def test_dma_of_each_direction(ask, run):
    """The two may be mapped in different ways."""
    text = as_text(switch(ports=(ALL, CR)))
    answer = ask(text, *DRIVES, "--iommu", "on")
    assert (answer["route"]["read"], answer["route"]["write"]) == ("host-bridge", "bus-addr")
    assert "an IOVA" in answer["dma"] and "the bus address" in answer["dma_write"]
    said = run(text, "--iommu", "on", "explain", *DRIVES)
    assert re.search(r"^dma +reads: an IOVA", said, re.M) and re.search(r"^dma +writes: the bus address", said, re.M)
    assert re.search(r"^dma +the bus address", run(as_text(switch()), "explain", *DRIVES), re.M)


def test_provider_is_not_known_of_text(run, tool, tmp_path):
    assert {one["provider"] for one in json.loads(run(as_text(switch()), "--json"))["devices"]} == {None}
    as_sysfs(tmp_path / "sys", switch())
    said = subprocess.run([tool, "-F", tmp_path, "--json"], capture_output=True, text=True, check=True, timeout=60)
    assert {one["provider"] for one in json.loads(said.stdout)["devices"]} == {False}


def test_vector_is_in_no_decoded_text(run, checks):
    text = as_text(switch(ports=(ALL, EC)))
    said = [run(text, "explain", *DRIVES)]
    doctor = checks(text, NOT_KNOWN, *DRIVES)
    for words in (*said, doctor["route"][2], doctor["acs"][2]):
        assert "lspci -xxxx; decoded text does not have the vector" in words and "-nnvv" not in words


def test_control_that_is_missing_is_announced(run):
    """The matrix says so above itself."""
    text = re.sub(r"\t\tACSCtl.*\n", "", as_text(switch()))
    assert "5 of 11 functions: config space is not in the input" in run(text)


# doctor --------------------------------------------------------------------------------------------


def test_doctor_tries_all_pairs(checks):
    """Text does not have who provides memory: any of them may."""
    good = checks(as_text(switch(KNOWN)), NOT_KNOWN)
    assert good["route"][:2] == ("ok", "of 12 pairs 0 do not reach each other, of 0 that is not known")
    assert good["acs"][0] == "ok"
    some = checks(as_text(switch(NOT_LISTED)), NOT_READY)
    assert some["route"] == (
        "problem",
        "of 12 pairs 6 do not reach each other, of 0 that is not known",
        "p2ptopo explain 0000:03:00.0 0000:06:00.0",
    )
    assert some["acs"][0] == "ok"
    redirected = checks(as_text(switch(NOT_LISTED, ports=(ALL, RR | CR | UF))), NOT_READY)
    assert redirected["acs"][0] == "problem" and "12 pairs" not in redirected["acs"][1]
    assert "by that 6 pairs do not reach" in redirected["acs"][1]
    assert redirected["acs"][2] == "p2ptopo explain 0000:03:00.0 0000:04:00.0"
    open_text = re.sub(r"\t\tACSCtl.*\n", "", as_text(switch(NOT_LISTED)[:-1]))
    assert checks(open_text, NOT_KNOWN)["route"][0] == "unknown"


def test_doctor_of_a_pair_and_policy(checks):
    words = "what pci_p2pdma.host_bridges= says there is not in the input"
    assert words in checks(as_text(switch(KNOWN)), NOT_KNOWN, *ACROSS)["route"][1]
    assert words not in checks(as_text(switch(KNOWN)), NOT_KNOWN, *DRIVES)["route"][1]


def test_doctor_does_not_contradict_itself(checks):
    """What is in the way of a route that is none is a problem; what is fine has no remedy."""
    bad = checks(as_text(switch(NOT_LISTED, ports=(ALL, RR | CR | UF))), NOT_READY, *DRIVES)
    assert (bad["route"][0], bad["acs"][0]) == ("problem", "problem") and "does not arrive" in bad["acs"][1]
    assert "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0010" in bad["acs"][2]
    longer = checks(as_text(switch(KNOWN, ports=(ALL, RR | CR | UF))), NOT_KNOWN, *DRIVES)
    assert (longer["route"][0], longer["acs"][0]) == ("ok", "ok") and "makes the way longer" in longer["acs"][1]
    assert longer["acs"][2] is None


def cascade(depth):
    """Switches below each other, of which the last redirects and none of the others forwards"""
    machine = [
        Function("00:00.0", KNOWN, 0x0600, None),
        bridge("00:01.0", ROOT_PORT, 1, 2 * depth + 2, acs=(ALL, 0), ids=KNOWN),
    ]
    for i in range(1, 2 * depth, 2):
        machine += [
            bridge(f"{i:02x}:00.0", UPSTREAM, i + 1, 2 * depth + 2),
            bridge(f"{i + 1:02x}:00.0", DOWNSTREAM, i + 2, 2 * depth + 2, acs=(ALL, RR | CR), port=1),
        ]
    machine[-1].buses = (2 * depth + 1, 2 * depth + 1)
    last = bridge(f"{2 * depth:02x}:01.0", DOWNSTREAM, 2 * depth + 2, 2 * depth + 2, acs=(ALL, RR | CR), port=2)
    return [*machine, last, Function(f"{2 * depth + 1:02x}:00.0"), Function(f"{2 * depth + 2:02x}:00.0")]


@pytest.mark.parametrize("depth", [2, 3, 10, 20, 31, 35])
def test_no_words_are_cut_off(depth, run, checks):
    """Of many ports in the way all that are noted are named, at once and for the boot line; the rest is counted."""
    text = as_hex(cascade(depth), 0x160)
    pair = (f"{2 * depth + 1:02x}:00.0", f"{2 * depth + 2:02x}:00.0")
    doctor = checks(text, NOT_READY, *pair)
    said = run(text, "explain", *pair)
    why = re.search(r"^why +(.*)$", said, re.M)
    assert why and why[1].endswith("routes between its ports") and doctor["route"][1].endswith(why[1])
    # The kernel's log has room for eight phrases, and for all addresses that are noted
    ports = min(depth + 2, 32)
    assert len(re.findall("redirects|does not forward", why[1])) == min(ports, 8)
    now = re.findall(r"setpci -s \S+ ECAP_ACS\+6.w=\w{4}", said)
    assert len(now) == ports and now == re.findall(r"setpci -s \S+ ECAP_ACS\+6.w=\w{4}", doctor["route"][2])
    for words in (said, doctor["route"][2], doctor["acs"][2]):
        assert ("and at more ports" in words) is (depth + 2 > 32)


def test_rdma_card_from_text(checks):
    """Whether it is there as an RDMA device is not in text."""
    machine = switch()
    machine[9].driver = "mlx5_core"
    state, about, remedy = checks(as_text(machine), NOT_KNOWN, "05:00.0", "03:00.0")["driver"]
    assert state == "unknown" and "is not in the input" in about and "no RDMA device" not in about
    assert remedy == "there: ls /sys/bus/pci/devices/0000:05:00.0/infiniband"


@pytest.mark.parametrize("links", [True, False])
def test_folder_without_drivers(links, tool, tmp_path):
    """Where no driver is linked to anything, links were not copied."""
    machine = switch()
    if links:
        machine[8].driver = "nvme"
    as_sysfs(tmp_path / "sys", machine)
    said = subprocess.run(
        [tool, "-F", tmp_path, "--json", "doctor", *DRIVES], capture_output=True, text=True, check=False, timeout=60
    )
    found = {one["check"]: one for one in json.loads(said.stdout)["checks"]}
    state = "problem" if links else "unknown"
    assert found["driver"]["state"] == found["memory"]["state"] == state
    assert ("no driver has it" in found["driver"]["about"]) is links


# Arguments -----------------------------------------------------------------------------------------


def test_words_of_a_refusal(run):
    assert "no such command: ''" in run(as_text(switch()), "", status=1)
    assert "p2ptopo: host_bridges=8086: entry 1" in run(as_text(switch()), "--policy", "8086", status=1)


@pytest.mark.parametrize(
    "words, offered",
    [
        (["-F", "FILE", "explain", "0000:03"], {"0000:03:00.0"}),
        (["--file", "FILE", "explain", "0000:0"], {f"0000:0{i}:00.0" for i in (0, 3, 4, 5, 6)}),
        (["--file", "=", "FILE", "-s", "0000:06"], {"0000:06:00.0"}),
        (["-F", "FILE", "--dump", ""], set()),
        (["--policy", ""], set()),
        (["--file", "=", "FIL"], {"FILE"}),
        (["--iommu", "=", "p"], {"pt"}),
    ],
)
def test_completion(words, offered, tool, tmp_path):
    """Addresses are those of the file that was named; what is behind = is completed, too."""
    (tmp_path / "FILE").write_text(as_text(switch()))
    line = " ".join(f"'{word}'" for word in [tool, *words])
    script = (
        f"source {ROOT}/tools/pci/p2ptopo/p2ptopo.bash; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        f"_p2ptopo '{tool}' '{words[-1]}' '{words[-2]}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert set(said.stdout.split()) == offered


# What is left of lines and records -----------------------------------------------------------------


def test_two_lines_in_one(run):
    """Where the end of a line is lost with what was before it, its flags are not those of the next one."""
    text = as_text(switch(ports=(ALL, RR | CR)))
    at = text.index("ACSCap:") + len("ACSCap:")
    joined = text[:at] + text[text.index("ACSCtl:", at) :]
    assert "'ACSCtl:' is of another function" in run(joined, *["explain", *DRIVES], status=1)


@pytest.mark.parametrize("flag", ["SrcValid", "ReqRedir", "DirectTrans"])
def test_flags_not_whole(flag, ask):
    """A register that lacks a flag, or has something between them, is not read."""
    text = as_text(switch(ports=(ALL, 0)))
    assert ask(text, *DRIVES)["route"]["certainty"] == "certain"
    at = text.index("ACSCtl:", text.index("02:00.0 "))
    for damaged in (text[at:].replace(flag + "-", "", 1), text[at:].replace(flag, "x " + flag, 1)):
        assert ask(text[:at] + damaged, *DRIVES)["route"]["certainty"] == "unknown"


def test_record_without_its_blank_line(ask):
    """Where the others have one, what was before it has gone as well: here the port's ACS."""
    text = as_text(switch(ports=(ALL, RR | CR)))
    start = text.index("\tCapabilities: [", text.index("02:00.0 "))
    start = text.rindex("\n", 0, text.index("Access Control Services", start)) + 1
    end = text.index("\n\n", start) + 2
    assert ask(text[:start] + text[end:], *DRIVES)["route"]["certainty"] == "unknown"


@pytest.mark.parametrize("limit, status", [(None, 0), (40_000, 1)])
def test_memory_of_json(limit, status, tmp_path, tool):
    """It grows with the functions, not with the pairs; where there is none, that is said."""
    drives = 500
    text = "".join(
        f"{i // 256:02x}:{i // 8 % 32:02x}.{i % 8} Non-Volatile memory controller [0108]: X [144d:a808]\n"
        "\tControl: I/O- Mem+ BusMaster+\n"
        for i in range(drives)
    )
    (tmp_path / "text").write_text(text)
    command = f"ulimit -v {limit or 400_000}; exec {tool} -F {tmp_path}/text --all --json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    if limit:
        assert "out of memory" in done.stderr
    else:
        assert len(json.loads(done.stdout)["routes"]) == drives * drives
