# SPDX-License-Identifier: GPL-2.0-only
"""p2ptopo on machines that are text: verdicts, what is not there, bad input, and how fast. No kernel is booted."""

import bz2
import gzip
import json
import lzma
import re
import resource
import shutil
import subprocess
from collections.abc import Callable

import pytest

import lspci
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
from p2plib import ROOT

DUMPS = next((up / "shared/dumps" for up in ROOT.parents if (up / "shared/dumps").is_dir()), ROOT / "none")
DRIVES = ("03:00.0", "04:00.0")
FORMS: dict[str, Callable[[list[Function]], str]] = {"hex": as_hex, "text": as_text}


@pytest.fixture
def ask(run):
    """ask(text, client, provider, *options): what JSON has to say of the pair."""

    def call(text, client, provider, *options):
        return json.loads(run(text, "--json", *options, "explain", client, provider))

    return call


def short(route):
    return tuple(route[key] for key in ("read", "write", "distance", "reason", "port"))


# Verdicts --------------------------------------------------------------------------------------

BOTH = ("host-bridge", "host-bridge")
DIRECT = ("bus-addr", "bus-addr")
NONE = ("none", "none")

# What the ports of the switch, and the root ports, have of ACS, and what then becomes of drive to drive below it
SWITCHES = {
    "no-acs": (None, None, (*DIRECT, 4, "same-switch", "0000:01:00.0")),
    "off": ((ALL, 0), (ALL, UF), (*DIRECT, 4, "same-switch", "0000:01:00.0")),
    "redirect": ((ALL, RR | CR | UF), (ALL, UF), (*BOTH, 8, "acs-redirect", "0000:02:00.0")),
    "redirect-completions": ((ALL, CR), (ALL, UF), ("host-bridge", "bus-addr", 8, "acs-redirect", "0000:02:01.0")),
    "not-forwarded": ((ALL, RR | CR), (ALL, 0), (*NONE, 4, "acs-blocked", "0000:00:01.0")),
    "no-such-control": ((ALL, RR | CR), (ALL & ~UF, 0), (*BOTH, 8, "acs-redirect", "0000:02:00.0")),
    "no-acs-above": ((ALL, RR | CR), None, (*BOTH, 8, "acs-redirect", "0000:02:00.0")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", SWITCHES)
def test_switch(case, form, ask):
    ports, root, expected = SWITCHES[case]
    text = FORMS[form](switch(ports=ports, root=root))
    assert short(ask(text, *DRIVES)["route"]) == expected


@pytest.mark.parametrize(
    "vector, expected",
    [
        (0, (*DIRECT, 4, "same-switch", "0000:01:00.0")),
        (1 << 2, (*NONE, 4, "acs-blocked", "0000:02:00.0")),
        (1 << 3, (*DIRECT, 4, "same-switch", "0000:01:00.0")),
    ],
)
def test_egress_vector(vector, expected, ask):
    """Which port a vector is about is its number; and decoded text does not have the vector."""
    machine = switch(ports=(ALL, EC))
    for fn in machine:
        fn.vector = vector
    assert short(ask(as_hex(machine), *DRIVES)["route"]) == expected
    answer = ask(as_text(machine), *DRIVES)["route"]
    assert answer["certainty"] == "unknown" and answer["read"] == answer["write"] == "unknown"
    assert answer["possible_read"] == ["none", "bus-addr"]
    assert {one["device"] for one in answer["not_read"]} == {"0000:02:00.0"}


@pytest.mark.parametrize("vector", [0, 1 << 2, (1 << 32) - 1])
@pytest.mark.parametrize("twin, number", [("02:02.0", 2), ("01:00.0", 2), ("02:00.0", 2), ("02:02.0", 0)])
def test_port_number_twice(twin, number, vector, ask):
    """Where another port has the number, nobody knows whose bit it is; another device may have what it likes."""
    machine = switch(ports=(ALL, EC))
    for fn in machine:
        fn.vector = vector
        fn.port = number if fn.address in (twin, "02:01.0") else fn.port + 8
    answer = ask(as_hex(machine), *DRIVES)["route"]
    assert answer["certainty"] == "unknown" and answer["possible_read"] == ["none", "bus-addr"]
    assert answer["not_read"] == [
        {"device": f"0000:{twin}", "what": "a port number of its own, which egress control goes by"}
    ]
    for fn in machine:
        fn.port = number if fn.address in ("00:01.0", "03:00.0", "02:01.0") else fn.port + (fn.address == twin)
    assert ask(as_hex(machine), *DRIVES)["route"]["certainty"] == "certain"


def test_port_number_twice_without_egress_control(run, ask):
    machine = switch(ports=(ALL, EC))
    for fn in machine:
        fn.port = 0
    said = run(as_hex(machine), "explain", *DRIVES)
    assert "No input has that: the kernel takes it that egress control forbids." in said
    assert "lspci" not in said and "as root" not in said
    machine = switch(ports=(ALL, RR | CR | UF))
    for fn in machine:
        fn.port = 0
    assert short(ask(as_hex(machine), *DRIVES)["route"]) == (*BOTH, 8, "acs-redirect", "0000:02:00.0")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "ids, expected",
    [
        ((0x8086, 0x2030), (*BOTH, 6, "root-complex", None)),
        ((0x8086, 0x3405), (*NONE, 6, "root-complex-unknown", "0000:00:01.0")),
        ((0x1D17, 0x1003), (*BOTH, 6, "root-complex", None)),
    ],
)
def test_host_bridge(ids, expected, form, ask):
    assert short(ask(FORMS[form](switch(ids)), "03:00.0", "06:00.0")["route"]) == expected


def test_segments(ask):
    """Two segments with the same addresses; routes within a host bridge are no routes between two."""
    machine = []
    for domain in ("0000", "10000"):
        half = switch((0x8086, 0x2F00))
        for fn in half:
            fn.address = f"{domain}:{fn.address}"
        machine += half
    text = as_hex(machine)
    assert short(ask(text, "0000:03:00.0", "0000:06:00.0")["route"])[:2] == BOTH
    answer = ask(text, "0000:03:00.0", "10000:03:00.0")
    assert short(answer["route"]) == (*NONE, 8, "root-complex-differs", "0000:00:01.0")
    assert [one["id"] for one in answer["host_bridges"]] == ["8086:2f00"] * 2


@pytest.mark.parametrize("form", FORMS)
def test_virtual_function(form, ask):
    """It is where its physical function is, even on a bus that no bridge leads to."""
    machine = switch(ports=(ALL, 0))
    machine[9].vfs = (2, 0x100, 1, 0x1018)
    machine += [Function("06:00.1", (0xFFFF, 0xFFFF), 0x0200, header={0: 0xFF, 1: 0xFF, 2: 0xFF, 3: 0xFF})]
    machine[9].vfs = (2, 0x101, 1, 0x1018)
    machine[-1].address = "06:00.1"
    answer = ask(FORMS[form](machine), "06:00.1", "03:00.0")
    assert short(answer["route"]) == (*DIRECT, 4, "same-switch", "0000:01:00.0")
    assert answer["devices"][0]["type"] == "virtual function"


@pytest.mark.parametrize(
    "vector, ari, expected",
    [
        (0, False, "same-device"),
        (1 << 1, False, "acs-blocked"),
        (1 << 0, False, "same-device"),
        (0, True, "acs-blocked"),
    ],
)
def test_functions(vector, ari, expected, ask):
    """Functions of a device go by their number, unless ARI makes groups of them, which nothing here knows."""
    machine = switch()
    machine[6].ari = ari
    machine[9].acs = (ALL, EC)
    machine[9].vector = vector
    machine.insert(10, Function("05:00.1", (0x15B3, 0x1017), 0x0200, acs=(ALL, 0)))
    assert ask(as_hex(machine), "05:00.0", "05:00.1")["route"]["reason"] == expected


@pytest.mark.parametrize("form", FORMS)
def test_ports_the_wrong_way_round(form, ask):
    """As the kernel does, what cannot be is put right: an upstream port that says downstream, and the other way."""
    machine = switch(ports=(ALL, RR | CR))
    for fn in machine[3:7]:
        fn.kind = DOWNSTREAM if fn.kind == UPSTREAM else UPSTREAM
    assert short(ask(FORMS[form](machine), *DRIVES)["route"]) == (*BOTH, 8, "acs-redirect", "0000:02:00.0")
    for fn in machine[4:7]:
        fn.acs = None
    assert short(ask(FORMS[form](machine), *DRIVES)["route"])[3] == "same-switch"


@pytest.mark.parametrize("form", FORMS)
def test_remedy(form, run, ask):
    """What is to be written where, for the boot line and for now, old and new."""
    text = FORMS[form](switch((0x8086, 0x3405), ports=(ALL, RR | CR | UF)))
    said = run(text, "explain", *DRIVES)
    assert "pci=disable_acs_redir=02:00.0;02:01.0" in said
    assert "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0010    # it is 001c" in said
    assert "pci_p2pdma.host_bridges=8086:3405=reads+writes" in said
    answer = ask(text, *DRIVES)
    assert answer["clear"] == [{"port": "0000:02:00.0", "acs_control": UF}, {"port": "0000:02:01.0", "acs_control": UF}]
    # And it helps: with what was advised the route is direct.
    mended = FORMS[form](switch((0x8086, 0x3405), ports=(ALL, UF)))
    assert short(ask(mended, *DRIVES)["route"])[:2] == DIRECT


def test_both_remedies(run):
    """What makes the route direct, and what leaves isolation as it is; where that goes, and since when there is it"""
    said = run(as_text(switch(ports=(ALL, RR | CR), root=(ALL, 0))), "explain", *DRIVES)
    assert "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0000    # it is 000c" in said
    assert "leaves isolation as it is:\n  setpci -s 0000:00:01.0 ECAP_ACS+6.w=0010    # it is 0000" in said
    assert "disable_acs_redir= since Linux 4.19" in said and "config_acs= since Linux 6.11" in said
    assert "in GRUB's configuration within quotes" in said
    assert "the specification leaves open" in said
    assert "leaves open" not in run(as_text(switch(ports=(ALL, RR | CR))), "explain", *DRIVES)


def test_remedy_for_egress_control(run):
    said = run(as_hex(switch(ports=(ALL, RR | EC))), "explain", *DRIVES)
    assert "direct" in said or "same-switch" in said
    machine = switch(ports=(ALL, RR | EC))
    for fn in machine:
        fn.vector = 1 << 2
    assert "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0000    # it is 0024" in run(as_hex(machine), "explain", *DRIVES)


def test_remedy_forward(run):
    said = run(as_hex(switch((0x8086, 0x3405), ports=None, root=(ALL, RR))), "explain", "03:00.0", "01:00.0")
    assert "isolation" not in said
    assert "pci=config_acs=0010100@00:01.0" in said
    assert "setpci -s 0000:00:01.0 ECAP_ACS+6.w=0014    # it is 0004" in said


def test_path(run):
    said = run(as_hex(switch(ports=(ALL, RR))), "explain", *DRIVES)
    hops = re.findall(r"^  (\S) (?:host bridge )?(\S+)", said, re.M)
    assert hops == [
        ("^", "0000:03:00.0"),
        ("^", "0000:02:00.0"),
        ("^", "0000:01:00.0"),
        ("^", "0000:00:01.0"),
        ("=", "8086:2030;"),
        ("v", "0000:00:01.0"),
        ("v", "0000:01:00.0"),
        ("v", "0000:02:01.0"),
        ("v", "0000:04:00.0"),
    ]
    direct = run(as_hex(switch()), "explain", *DRIVES)
    assert [hop for _, hop in re.findall(r"^  (\S) (\S+)", direct, re.M)] == [
        "0000:03:00.0",
        "0000:02:00.0",
        "0000:01:00.0",
        "0000:02:01.0",
        "0000:04:00.0",
    ]


# What the input does not say, and what can be said instead ---------------------------------------

AMD = (0x1022, 0x14D8)


@pytest.mark.parametrize("form", FORMS)
def test_cpu(form, ask, run):
    text = FORMS[form](switch(AMD))
    pair = ("03:00.0", "06:00.0")
    answer = ask(text, *pair)["route"]
    assert answer["certainty"] == "if-cpu" and answer["read"] == answer["write"] == "unknown"
    assert short(answer["by_cpu"]["amd-zen"]) == (*BOTH, 6, "root-complex", None)
    assert short(answer["by_cpu"]["other"]) == (*NONE, 6, "root-complex-unknown", "0000:00:01.0")
    said = run(text, "explain", *pair)
    assert "host-bridge if the CPU is AMD Zen or later; else none" in said
    for cpu, maps in {"amd:0x19": BOTH, "amd:23": BOTH, "amd:0x15": NONE, "intel:6": NONE}.items():
        assert short(ask(text, *pair, "--cpu", cpu)["route"])[:2] == maps, cpu
    # A CPU that is not asked about decides nothing.
    assert short(ask(text, *DRIVES)["route"])[:2] == DIRECT


@pytest.mark.parametrize(
    "ids, root_ids",
    [
        ((0x8086, 0x29C0), (0x1B36, 0x000C)),
        ((0x8086, 0x29C0), (0x8086, 0x3420)),  # QEMU's ioh3420
        ((0x1022, 0x14D8), (0x8086, 0x3420)),
        ((0x1275, 0x1275), (0x1022, 0x14DB)),  # bhyve
        ((0x8086, 0x1237), (0x8086, 0x2030)),
    ],
)
def test_cpu_of_a_virtual_machine(ids, root_ids, ask):
    """Its host bridge, or root port, is made up, and says nothing of the CPU."""
    text = as_hex(switch(ids, root_ids=root_ids))
    assert ask(text, "03:00.0", "06:00.0")["route"]["certainty"] == "if-cpu"


@pytest.mark.parametrize(
    "policy, expected",
    [
        ("8086:3405=reads+writes", (*BOTH, 6, "root-complex", None)),
        ("8086:3405", (*BOTH, 6, "root-complex", None)),
        ("8086:3405=writes", ("none", "host-bridge", 6, "root-complex-writes-only", "0000:00:01.0")),
        ("8086:3405=none", (*NONE, 6, "root-complex-forbidden", "0000:00:01.0")),
        ("8086:3406=reads+writes", (*NONE, 6, "root-complex-unknown", "0000:00:01.0")),
    ],
)
def test_policy(policy, expected, ask):
    answer = ask(as_hex(switch((0x8086, 0x3405))), "03:00.0", "06:00.0", "--policy", policy)
    assert short(answer["route"]) == expected


@pytest.mark.parametrize(
    "mode, words",
    [("on", "an IOVA"), ("pt", "passes it through"), ("off", "there is no IOMMU"), (None, "--iommu on, pt or off")],
)
def test_iommu(mode, words, run):
    options = ["--iommu", mode] if mode else []
    assert words in run(as_hex(switch()), *options, "explain", "03:00.0", "06:00.0")
    assert "which no IOMMU sees" in run(as_hex(switch()), *options, "explain", *DRIVES)


def denied(machine):
    """As who is not root gets it"""
    return re.sub(r"(\tCapabilities: .*\n|\t\t.*\n)+", "\tCapabilities: <access denied>\n", as_text(machine))


def without(machine, address):
    return [fn for fn in machine if fn.address != address]


# name: (what the input is cut down to, what may then be, of whom something is missing)
CUT: dict[str, tuple[Callable[[list[Function]], str], str]] = {
    "x": (lambda machine: as_hex(machine, 64), "02:00.0"),
    "xxx": (lambda machine: as_hex(machine, 256), "02:00.0"),
    "denied": (denied, "02:00.0"),
    "v": (lambda machine: re.sub(r"\t\t.*\n", "", as_text(machine)), "02:00.0"),
    "one line each": (lambda machine: "".join(fn.title() + "\n" for fn in machine), "03:00.0"),
    "port left out": (lambda machine: as_hex(without(machine, "02:00.0")), "03:00.0"),
    "upstream left out": (lambda machine: as_text(without(machine, "01:00.0")), "03:00.0"),
    "line lost": (lambda machine: re.sub(r"\t\tACSCtl.*\n", "", as_text(machine)), "02:00.0"),
    "line cut": (lambda machine: as_text(machine).replace("CmpltRedir- UpstreamFwd- ", ""), "02:00.0"),
    "stderr in it": (
        lambda machine: as_text(machine).replace("ACSCtl:\tSrcValid- Trans", "ACSCtl:\tSrcpcilib: read failed\nTrans"),
        "02:00.0",
    ),
}


@pytest.mark.parametrize("how", CUT)
def test_not_there_is_not_fine(how, ask, run):
    """Where the direct route hangs on what is not in the input, the answer is not that it is there."""
    cut, who = CUT[how]
    text = cut(switch((0x8086, 0x3405), ports=(ALL, 0), root=(ALL, 0)))
    answer = ask(text, *DRIVES)["route"]
    assert answer["certainty"] == "unknown", answer
    assert answer["read"] == answer["write"] == "unknown"
    assert {"bus-addr", "none"} <= set(answer["possible_read"]) == set(answer["possible_write"])
    assert f"0000:{who}" in {one["device"] for one in answer["not_read"]}
    said = run(text, "explain", *DRIVES)
    assert "could be none, bus-addr" in said and f"  0000:{who}: " in said
    row = next(t for t in run(text, "--all").splitlines() if "0000:03:00.0" in t)
    assert " ?." in row and " B" not in row, row


def test_certain_all_the_same(ask):
    """What is not in the input does not matter where it comes to the same."""
    text = as_text(switch((0x8086, 0x3405), ports=None)).replace("06:00.0 Non", "06:00.0 Non", 1)
    cut = text[: text.index("\tCapabilities", text.index("06:00.0 "))]
    assert short(ask(cut, "03:00.0", "06:00.0")["route"]) == (*NONE, 6, "root-complex-unknown", "0000:00:01.0")


def test_no_ids(ask):
    """lspci without -n: which host bridge it is cannot be told, so neither that it does not route."""
    text = re.sub(r" \[[0-9a-f]{4}:[0-9a-f]{4}\]| \[[0-9a-f]{4}\](?=:)", "", as_text(switch((0x8086, 0x3405))))
    route = ask(text, "03:00.0", "06:00.0", "--cpu", "intel:6")["route"]
    assert route["certainty"] == "unknown" and set(route["possible_read"]) == {"none", "host-bridge"}
    assert short(ask(text, *DRIVES)["route"])[:2] == DIRECT


def far_machine(domain):
    """A port and a drive in this segment"""
    ports = bridge(f"{domain}:00:01.0", ROOT_PORT, 1, 1), Function(f"{domain}:01:00.0")
    return [Function(f"{domain}:00:00.0", (0x8086, 0x2030), 0x0600, None), *ports]


# As people paste it ----------------------------------------------------------------------------

PASTED: dict[str, Callable[[str], str]] = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "domain": lambda text: re.sub(r"^(?=\w\w:\w\w\.\w )", "0000:", text, flags=re.M),
    "quoted": lambda text: re.sub(r"^", "> ", text, flags=re.M),
    "no-break spaces": lambda text: text.replace("\t", "    ").replace(" ", "\xa0"),
    "no-break tabs": lambda text: text.replace("\t", "\xa0 \xa0 "),
    "indented": lambda text: re.sub(r"^", "    ", text, flags=re.M).replace("\t", "        "),
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "no blank lines": lambda text: re.sub(r"\n+", "\n", text) + "\n",
    "prompt": lambda text: "$ sudo lspci -xxxx\n[sudo] password for me:\npcilib: sysfs_read_vpd: read failed\n" + text,
    "tree before": lambda text: "-[0000:00]-+-00.0\n           +-01.0-[01-05]----00.0-[02-05]--+-00.0-[03]----00.0\n"
    + text,
    "list before": lambda text: "".join(t + "\n" for t in text.splitlines() if re.match(r"\w\w:\w\w\.\w ", t))
    + "\n"
    + text,
    "capabilities in another order": lambda text: re.sub(
        r"(\tCapabilities: \[40\](?:.+\n)+?)((?:\tCapabilities: \[148(?:.+\n)+)?)(?=\n)", r"\2\1", text
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", [*PASTED, "both"])
def test_pasted(how, form, ask):
    machine = switch(ports=(ALL, RR | CR))
    if how == "both":
        text = "".join(fn.text()[:-1] + fn.hex().split("\n", 1)[1] for fn in machine)
    else:
        text = PASTED[how](FORMS[form](machine))
    assert short(ask(text, *DRIVES)["route"]) == (*BOTH, 8, "acs-redirect", "0000:02:00.0")


def test_columns(run):
    """Segments of five digits, as VMD's, put no cell out of its column."""
    said = run(as_text([fn for dom in ("0000", "10000") for fn in far_machine(dom)]), "--all").splitlines()
    at = next(n for n, line in enumerate(said) if line.lstrip().startswith("[1]"))
    columns = [match.start() for match in re.finditer(r"\[", said[at])]
    for line in said[at + 1 : at + 1 + len(columns)]:
        assert all(line[column - 1] == " " and line[column] in "-?NBH" for column in columns), line


def test_too_many_for_a_matrix(run):
    """A line instead of a machine without memory; what is asked of a pair needs none."""
    machine = [f"{bus:02x}:{slot:02x}.{fn}" for bus in range(17) for slot in range(32) for fn in range(8)]
    text = "".join(f"{address} Ethernet controller: Thing\n" for address in machine)
    said = run(text, status=1)
    assert said == "p2ptopo: matrix: more than 4096 devices: choose some with -s, --class, --driver or --numa\n"
    assert "[2]" in run(text, "-s", "00:00.0", "-s", "00:01.0")
    run(text, "explain", "00:00.0", "10:1f.7")


def test_look_alikes(ask):
    """Not ACS controls, and not Device Control 2"""
    text = as_text(switch(ports=(ALL, 0)))
    text = text.replace(
        "\tCapabilities: [100 v1]",
        "\t\tUESta:\tDLP- ACSViol- ReqRedir+\n\t\tARICap:\tMFVC- ACS-, Next Function: 0\n"
        "\t\t\t AtomicOpsCtl: ReqEn- EgressBlck+\n\tCapabilities: [100 v1]",
    )
    assert short(ask(text, *DRIVES)["route"])[:2] == DIRECT


def test_two_dumps(run, ask):
    first, second = as_hex(switch(ports=(ALL, 0))), as_hex(switch(ports=(ALL, RR)))
    line = first.count("\n") + 1
    said = run(first + second, "--all", status=1)
    assert (
        said == f"p2ptopo: {said.split()[1].split(':')[0]}:{line}: another dump begins here, as this function has been "
        "described before: choose one with --dump 1 to 2\n"
    )
    assert short(ask(first + second, *DRIVES, "--dump", "1")["route"])[3] == "same-switch"
    assert short(ask(first + second, *DRIVES, "--dump", "2")["route"])[3] == "acs-redirect"
    assert "there is no dump 3 in it: use --dump 1 to 2" in run(first + second, "--dump", "3", "--all", status=1)
    assert "there is no dump 3 in it: it is just one" in run(first, "--dump", "3", "--all", status=1)


def test_standard_input(tool):
    done = subprocess.run(
        [tool, "-F", "-", "--all"], input=as_text(switch()), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 and "0000:05:00.0" in done.stdout


@pytest.fixture
def ask_sysfs(tool, tmp_path):
    def call(client, provider):
        done = subprocess.run(
            [tool, "--json", "-F", tmp_path, "explain", client, provider],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.mark.parametrize("size, certainty", [(4096, "certain"), (64, "unknown")])
def test_sysfs(size, certainty, ask_sysfs, tmp_path):
    as_sysfs(tmp_path, switch(ports=(ALL, RR)), size)
    route = ask_sysfs(*DRIVES)["route"]
    assert route["certainty"] == certainty
    assert size < 4096 or short(route) == (*BOTH, 8, "acs-redirect", "0000:02:00.0")


@pytest.mark.parametrize(
    "words, expected",
    [
        (b"reads\0writes\0", (*BOTH, 6, "root-complex", None)),
        (b"writes\0", ("none", "host-bridge", 6, "root-complex-writes-only", "0000:00:01.0")),
        (b"none\0", (*NONE, 6, "root-complex-forbidden", "0000:00:01.0")),
    ],
)
def test_device_tree(words, expected, ask_sysfs, tmp_path):
    """What firmware says of the host bridge"""
    node = as_sysfs(tmp_path, switch((0x8086, 0x3405))) / "of_node"
    node.mkdir()
    (node / "linux,pci-p2pdma-routes").write_bytes(words)
    answer = ask_sysfs("03:00.0", "06:00.0")
    assert short(answer["route"]) == expected and answer["host_bridges"][0]["says"] == "firmware"


def test_virtual_function_of_sysfs(ask_sysfs, tmp_path):
    """The kernel says whose it is, though its SR-IOV capability is not there to be read."""
    machine = [*switch(ports=(ALL, 0)), Function("07:00.1", (0x15B3, 0x1018), 0x0200)]
    host = as_sysfs(tmp_path, machine)
    (host / "0000:07:00.1/physfn").symlink_to("../0000:05:00.0")
    answer = ask_sysfs("07:00.1", "03:00.0")
    assert short(answer["route"]) == (*DIRECT, 4, "same-switch", "0000:01:00.0")
    assert answer["devices"][0]["type"] == "virtual function"


# Views -----------------------------------------------------------------------------------------


def test_matrix(run):
    said = run(as_hex(switch()))
    rows = {t.split()[1]: t.split()[2:6] for t in said.splitlines() if t.startswith("[")}
    assert rows == {
        "0000:03:00.0": ["-", "B4.ss", "B4.ss", "H6.rc"],
        "0000:04:00.0": ["B4.ss", "-", "B4.ss", "H6.rc"],
        "0000:05:00.0": ["B4.ss", "B4.ss", "-", "H6.rc"],
        "0000:06:00.0": ["H6.rc"] * 3 + ["-"],
    }
    assert ".ss" in said.split("rows:")[1] and ".ab" not in said


@pytest.mark.parametrize(
    "options, chosen",
    [
        (["-s", "03:00.0", "-s", "0000:06:00.0"], ["03:00.0", "06:00.0"]),
        (["--class", "network"], ["05:00.0"]),
        (["--class", "0108"], ["03:00.0", "04:00.0", "06:00.0"]),
        (["--all"], ["00:00.0", "03:00.0", "04:00.0", "05:00.0", "06:00.0"]),
    ],
)
def test_selection(options, chosen, run):
    answer = json.loads(run(as_hex(switch()), "--json", *options))
    assert [one["address"] for one in answer["devices"]] == [f"0000:{one}" for one in chosen]
    assert len(answer["routes"]) == len(chosen) ** 2


def test_driver_and_node(run):
    text = (
        as_text(switch())
        .replace("04:00.0 Non", "04:00.0 Non")
        .replace(
            "\tCapabilities: [40] Express (v2) Endpoint",
            "\tNUMA node: 1\n\tKernel driver in use: nvme\n\tCapabilities: [40] Express (v2) Endpoint",
        )
    )
    answer = json.loads(run(text, "--json", "--driver", "nvme", "--numa", "1"))
    assert len(answer["devices"]) == 4 and {one["driver"] for one in answer["devices"]} == {"nvme"}
    run(text, "--numa", "0", status=1)


def test_matrix_and_explain_agree(run, ask):
    text = as_hex(switch(AMD, ports=(ALL, CR)))
    for route in json.loads(run(text, "--json", "--all"))["routes"]:
        assert ask(text, route["client"], route["provider"])["route"] == route


def test_help_fits_a_screen(tool):
    done = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert len(done.stdout.splitlines()) <= 24 and max(map(len, done.stdout.splitlines())) <= 80


# Bad input -------------------------------------------------------------------------------------

BAD_FILES = {
    "empty": (b"", "no PCI function in it: expected what lspci"),
    "prose": (b"It does not work.\nPlease help.\n", "no PCI function in it: expected what lspci"),
    "zeroes": (bytes(5000), "no PCI function in it"),
    "noise": (bytes(range(256)) * 40, "no PCI function in it"),
    "bytes first": (b"\n00: 86 80 30 20\n", ":2: bytes, but of which function?"),
    "no byte": (b"00:00.0 Host bridge: X\n00: 86 8g 30\n", ":2: expected an offset, a colon, and up to 16 bytes"),
    "three digits": (b"00:00.0 Host bridge: X\n00: 86 800 30\n", ":2: expected an offset, a colon, and up to 16 bytes"),
    "17 bytes": (
        b"00:00.0 Host bridge: X\n\n00:" + b" 00" * 17 + b"\n",
        ":3: expected an offset, a colon, and up to 16 bytes",
    ),
    "offset": (b"00:00.0 Host bridge: X\n05: 86\n", ":2: expected an offset that is a multiple of 10"),
    "gzip": (gzip.compress(b"00:00.0 Host bridge: X\n"), ": it is compressed: use zcat "),
    "xz": (lzma.compress(b"00:00.0 Host bridge: X\n"), ": it is compressed: use xzcat "),
    "bzip2": (bz2.compress(b"00:00.0 Host bridge: X\n"), ": it is compressed: use bzcat "),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\x01\x09\x00\x00", ": it is compressed: use zstdcat "),
    "zip": (b"PK\x03\x04" + bytes(40), ": it is an archive: use unzip -p "),
    "UTF-16": ("00:00.0 Host bridge: X\n".encode("utf-16"), ": it is in UTF-16: use iconv "),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_file(what, run):
    data, words = BAD_FILES[what]
    said = run(data, "--all", status=1)
    assert words in said and said.startswith("p2ptopo: ") and said.count("\n") == 1


BAD_ARGUMENTS = [
    (["explain"], "expected two, CLIENT PROVIDER"),
    (["explain", "03:00.0"], "expected two, CLIENT PROVIDER"),
    (["explain", "03:00.0", "04:00.0", "05:00.0"], "expected two, CLIENT PROVIDER"),
    (["explain", "03:00", "04:00.0"], "not an address: 03:00"),
    (["explain", "03:00.8", "04:00.0"], "not an address"),
    (["explain", "03:20.0", "04:00.0"], "not an address"),
    (["explain", "09:00.0", "04:00.0"], "there is no PCI function 09:00.0"),
    (["-s", "09:00.0"], "there is no PCI function 09:00.0"),
    (["-s", "x"], "--select x: expected an address"),
    (["--cpu", "amd"], "expected VENDOR:FAMILY"),
    (["--cpu", "amd:"], "expected VENDOR:FAMILY"),
    (["--cpu", "via:6"], "expected amd, intel or other"),
    (["--iommu", "yes"], "expected on, pt or off"),
    (["--policy", "8086"], "host_bridges=8086: entry 1"),
    (["--policy", "8086:2030=maybe"], "entry 1"),
    (["--class", "drives"], "expected storage"),
    (["--numa", "x"], "expected the number of a node"),
    (["--dump", "0"], "expected the number of a dump"),
    (["--class", "12"], "no device fits these options: p2ptopo --all lists"),
    (["--driver", "nvme"], "no device fits these options: no driver is named in the input"),
    (["--numa", "1"], "no device fits these options: no NUMA node is in the input"),
    (["show"], "no such command: show"),
    (["matrix", "03:00.0"], "expected nothing more"),
    (["--frobnicate"], "try p2ptopo --help"),
    (["-F", ""], "expected a file, a folder"),
    (["-s", "03: 00.0"], "expected an address"),
    (["explain", " 03:00.0", "04:00.0"], "not an address"),
    (["explain", "+3:00.0", "04:00.0"], "not an address"),
    (["--overwrite"], "only measure writes"),
    (["-s", "03:00.0", "explain", "03:00.0", "04:00.0"], "explain is about the two"),
    (["--all", "doctor", "03:00.0", "04:00.0"], "these are for matrix"),
]


@pytest.mark.parametrize("argv, words", BAD_ARGUMENTS, ids=[" ".join(argv) for argv, _ in BAD_ARGUMENTS])
def test_bad_arguments(argv, words, run):
    said = run(as_hex(switch()), *argv, status=1)
    assert words in said and said.startswith("p2ptopo: ") and said.count("\n") == 1


# what is wrong with the options, and what is said of it
BAD_OPTIONS = {
    "--frobnicate": "--frobnicate: no such option",
    "--d": "--d: no such option",
    "--json=1": "--json=1: no such option, or nothing may be behind it",
    "--cpu": "--cpu: expected something behind it",
    "-s": "-s: expected something behind it",
    "-sx -q": "-q: no such option",
    "explain a b -q": "-q: no such option",
}


@pytest.mark.parametrize("argv", BAD_OPTIONS)
def test_bad_options(argv, tool):
    done = subprocess.run([tool, *argv.split()], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr == f"p2ptopo: {BAD_OPTIONS[argv]}: try p2ptopo --help\n"


def test_options_of_a_file(tool, tmp_path):
    """What would be ignored is refused."""
    as_sysfs(tmp_path, switch())
    for argv, words in {
        ("--dump", "1"): "this machine is one",
        ("--dump", "1", "-F", tmp_path): "leave it out",
    }.items():
        done = subprocess.run([tool, *argv], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("argv", [[], ["--json"], ["--svg"], ["explain", *DRIVES], ["doctor"], ["--help"]])
def test_nowhere_to_write(argv, tool, tmp_path):
    (tmp_path / "dump").write_text(as_hex(switch()))
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [tool, "-F", tmp_path / "dump", *argv], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1 and "cannot be written: No space left" in done.stderr


def test_no_file(tool, tmp_path):
    for path, words in {tmp_path / "none": "No such file", tmp_path: "expected a copy of /sys"}.items():
        done = subprocess.run([tool, "-F", path], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1 and words in done.stderr and str(path) in done.stderr


def test_hostile(run):
    """Loops of bridges, of capabilities, of virtual functions; nothing hangs or dies."""
    loop = [
        bridge("00:00.0", ROOT_PORT, 1, 1),
        bridge("01:00.0", lspci.UPSTREAM, 0, 5),
        bridge("01:01.0", lspci.UPSTREAM, 1, 1),
        bridge("02:00.0", lspci.UPSTREAM, 3, 2),
        bridge("03:00.0", lspci.UPSTREAM, 2, 3),
        Function("03:01.0"),
    ]
    vfs = Function("04:00.0", vfs=(0xFFFF, 0, 0, 1))
    capabilities = Function("05:00.0", header={0x41: 0x40, 0x34: 0x40, 0x40: 0x05})
    pf = Function("06:00.0", vfs=(8, 0xFF00, 0, 1), header={0x0E: 1, 0x19: 7})
    run(as_hex([*loop, vfs, capabilities, pf]), "--all", "--json")


# The same code as in the kernel ------------------------------------------------------------------


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("acs.c", "if (ctrl & PCI_ACS_RR)", "if (ctrl & PCI_ACS_TB)"),
        ("hostbridge.c", "0x2030", "0x7777"),
        ("route.c", '"acs-redirect"', '"another-word"'),
    ],
)
def test_one_truth(file, old, new, tree, tool, tmp_path):  # pylint: disable=unused-argument
    """What changes in the kernel's sources changes in the tool."""
    shutil.copytree(tree / "drivers/pci/p2pdma", tmp_path / "p2pdma", ignore=shutil.ignore_patterns("tests"))
    source = tmp_path / "p2pdma" / file
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))
    subprocess.run(
        [
            "make",
            "-s",
            "-C",
            tree / "tools/pci/p2ptopo",
            f"P2PDMA={tmp_path}/p2pdma",
            f"O={tmp_path}/out",
            "CFLAGS=-O0",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (tmp_path / "dump").write_text(as_hex(switch(ports=(ALL, RR))))
    said = [
        subprocess.run([binary, "-F", tmp_path / "dump"], capture_output=True, text=True, check=True, timeout=60).stdout
        for binary in (tool, tmp_path / "out/p2ptopo")
    ]
    if file == "route.c":
        return  # a word that the matrix does not have
    assert said[0] != said[1]


def test_make_in_a_clone():
    """Where these files are the kernel's are not: what to do is said."""
    make = ["make", "-C", str(ROOT / "tools/pci/p2ptopo")]
    done = subprocess.run(make, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode and "is no tree of Linux" in done.stderr and "make tools" in done.stderr


def test_quirks(ask):
    """quirks.c knows ports that redirect without a capability for it."""
    machine = switch(ports=None)
    for fn in machine[4:7]:
        fn.ids = (0x1D17, 0x0721)
    assert short(ask(as_hex(machine), *DRIVES)["route"]) == (*BOTH, 8, "acs-redirect", "0000:02:00.0")


# How fast --------------------------------------------------------------------------------------


def big(functions, cards):
    """The switch again and again, in a segment each, with a GPU for the card in the first ones."""
    machine = []
    for number in range(functions // 11 + 1):
        for fn in switch():
            if fn.cls == 0x0200 and number < cards:
                fn.cls = 0x0302
            fn.address = f"{number:04x}:{fn.address}"
            machine.append(fn)
    return machine[:functions]


def used(tool, *argv):
    """Seconds of CPU time, and how much was printed"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([tool, *argv], capture_output=True, check=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, len(done.stdout)


def test_fast(tool, tmp_path):
    """256 x 256 of 10,000 functions in less than a second, apart from reading 125 MB of text."""
    dump = tmp_path / "dump"
    dump.write_text(as_hex(big(10000, 256), 0x1C0))
    reading, _ = used(tool, "-F", dump, "-s", "0000:03:00.0")
    seconds, size = used(tool, "-F", dump, "--class", "display")
    assert size > 256 * 256 * 5 and seconds - reading < 1


@pytest.mark.parametrize("number", [500, 4000])
def test_memory(number, tool, tmp_path):
    """What is read of a function takes 8 KiB at most, whatever there is of others."""
    (tmp_path / "dump").write_text(as_hex(big(number, 0), 0x1C0))
    limited = f'ulimit -v {20000 + 8 * number}; exec "$0" "$@"'
    argv = ["bash", "-c", limited, tool, "-F", tmp_path / "dump", "-s", "0000:03:00.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "0000:03:00.0" in done.stdout, done.stderr


# Real machines, where they are at hand -----------------------------------------------------------


def expected():
    """(dump, client, provider, reads, writes, distance, reason, port) of each line of EXPECTED.md"""
    text = (DUMPS / "EXPECTED.md").read_text() if (DUMPS / "EXPECTED.md").exists() else ""
    return [m.groups() for m in re.finditer(r"^([\w-]+) (\S+:\S+) (\S+:\S+) (\S+) (\S+) (\d+) (\S+) (\S+)", text, re.M)]


# Where the kernel says something else than the list, each by name. The list takes a root port to forward what is
# redirected below it whatever its Upstream Forwarding bit says, and counts links to where that happens, the kernel all
# that are passed. It has another word for functions that are isolated.
FB201_BLOCKED = ("none", "none", 4, "acs-blocked", "0000:85:00.0")
DIFFERENT = {
    ("fb201", "0000:8b:00.0", "0000:91:00.0"): FB201_BLOCKED,
    ("fb201", "0000:91:00.0", "0000:8b:00.0"): FB201_BLOCKED,
    ("fb201", "0000:92:00.0", "0000:93:00.0"): FB201_BLOCKED,
    ("fb201", "0000:93:00.0", "0000:92:00.0"): FB201_BLOCKED,
    ("fb201", "0000:8b:00.0", "0000:93:00.0"): FB201_BLOCKED,
    ("fb201", "0000:91:00.0", "0000:92:00.0"): FB201_BLOCKED,
    ("fb201", "0000:5e:00.0", "0000:5e:00.1"): ("none", "none", 2, "acs-blocked", "0000:5d:00.0"),
    ("x670e-taichi", "0000:03:00.0", "0000:03:00.1"): (*BOTH, 8, "functions-isolated", "0000:03:00.0"),
}


@pytest.mark.may_skip(reason="the dumps are other people's, and not in the repository")
@pytest.mark.parametrize("line", expected() or [None], ids=lambda line: "-".join(line[:3]) if line else "none")
def test_real_machine(line, ask):
    if not line:
        pytest.skip("no dumps")
    name, client, provider, reads, writes, distance, reason, port = line
    listed = (reads, writes, int(distance), reason, None if port == "-" else port)
    text = next(DUMPS.glob(f"*{name}*")).read_text()
    answer = ask(text, client, provider, *(["--cpu", "amd:0x19"] if name.startswith("x670e") else []))
    assert answer["route"]["certainty"] == "certain"
    different = DIFFERENT.get((name, client, provider), listed)
    assert short(answer["route"]) == different and (different == listed) == ((name, client, provider) not in DIFFERENT)
