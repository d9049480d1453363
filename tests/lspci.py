# SPDX-License-Identifier: GPL-2.0-only
"""Machines as lspci prints them: config space in hexadecimal, or decoded."""

from dataclasses import dataclass, field
from pathlib import Path

ENDPOINT, ROOT_PORT, UPSTREAM, DOWNSTREAM, RC_END = 0, 4, 5, 6, 9
TYPES = {
    ENDPOINT: "Endpoint",
    ROOT_PORT: "Root Port (Slot+)",
    UPSTREAM: "Upstream Port",
    DOWNSTREAM: "Downstream Port (Slot+)",
    RC_END: "Root Complex Integrated Endpoint",
}
FLAGS = ["SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd", "EgressCtrl", "DirectTrans"]
RR, CR, UF, EC = 0x04, 0x08, 0x10, 0x20
ALL = 0x7F
NAMES = {
    0x0600: "Host bridge",
    0x0604: "PCI bridge",
    0x0108: "Non-Volatile memory controller",
    0x0200: "Ethernet controller",
    0x0302: "3D controller",
}
EXPRESS, ACS, SRIOV, REBAR = 0x40, 0x148, 0x180, 0x1C8


@dataclass
class Function:
    address: str  # BB:DD.F or DDDD:BB:DD.F
    ids: tuple = (0x144D, 0xA808)
    cls: int = 0x0108
    kind: int | None = ENDPOINT  # None is conventional
    buses: tuple | None = None  # secondary, subordinate
    acs: tuple | None = None  # capability, control
    vector: int = 0
    port: int = 0
    ari: bool = False
    vfs: tuple | None = None  # number, offset, stride, device id
    bar: tuple | None = None  # BAR 0, prefetchable and of 64 bits: address, size
    resizable: tuple = ()  # sizes that it can have
    payload: int = 128
    tags: tuple = (False, False)  # of 10 bits: whether it answers to them, and sends them
    driver: str | None = None
    memory: bool = True  # it decodes addresses
    header: dict = field(default_factory=dict)

    def config(self):
        """The 4096 bytes (256 without PCI Express)."""
        data = bytearray(4096 if self.kind is not None else 256)

        def put(at, width, value):
            data[at : at + width] = value.to_bytes(width, "little")

        put(0, 2, self.ids[0])
        put(2, 2, self.ids[1])
        put(9, 3, self.cls << 8)
        put(4, 2, 0x6 if self.memory else 0x4)
        if self.bar:
            put(0x10, 8, self.bar[0] | 0xC)
        if self.buses:
            data[0x0E] = 1
            data[0x18:0x1B] = bytes((int(self.address.split(":")[-2], 16), *self.buses))
        if self.kind is not None:
            put(0x06, 2, 0x10)
            data[0x34] = EXPRESS
            put(EXPRESS, 2, 0x10)
            put(EXPRESS + 2, 2, self.kind << 4 | 2)
            data[EXPRESS + 0x0F] = self.port
            put(EXPRESS + 0x08, 2, (self.payload // 128).bit_length() - 1 << 5)
            put(EXPRESS + 0x24, 4, self.tags[0] << 16)
            put(EXPRESS + 0x28, 2, (0x20 if self.ari else 0) | self.tags[1] << 12)
            capabilities = [(0x100, 1)] + [(ACS, 0x0D)] * bool(self.acs) + [(SRIOV, 0x10)] * bool(self.vfs)
            capabilities += [(REBAR, 0x15)] * bool(self.resizable)
            for (at, number), (after, _) in zip(capabilities, [*capabilities[1:], (0, 0)]):
                put(at, 4, after << 20 | 1 << 16 | number)
        if self.acs:
            put(ACS + 4, 2, self.acs[0])
            put(ACS + 6, 2, self.acs[1])
            put(ACS + 8, 4, self.vector)
        if self.vfs:
            put(SRIOV + 8, 2, 1)
            for at, value in zip((0x10, 0x14, 0x16, 0x1A), self.vfs):
                put(SRIOV + at, 2, value)
        if self.resizable and self.bar:
            put(REBAR + 4, 4, sum(size >> 20 for size in self.resizable) << 4)
            put(REBAR + 8, 4, 1 << 5 | (self.bar[1] >> 20).bit_length() - 1 << 8)
        for at, value in self.header.items():
            data[at] = value
        return bytes(data)

    def title(self):
        ids = f"{self.ids[0]:04x}:{self.ids[1]:04x}"
        return f"{self.address} {NAMES[self.cls]} [{self.cls:04x}]: Some Maker Thing [{ids}] (rev 01)"

    def hex(self, size=4096):
        data = self.config()[:size]
        rows = [f"{at:02x}: {data[at:at + 16].hex(' ')}" for at in range(0, len(data), 16)]
        return "\n".join([self.title(), *rows]) + "\n\n"

    def text(self):
        lines = [self.title(), f"\tControl: I/O- Mem{'-+'[self.memory]} BusMaster+ SpecCycle- MemWINV- VGASnoop-"]
        lines += [f"\tStatus: Cap{'-' if self.kind is None else '+'} 66MHz- UDF- FastB2B-"]
        if self.bar:
            lines += [f"\tRegion 0: Memory at {self.bar[0]:x} (64-bit, prefetchable) [size={human(self.bar[1])}]"]
        if self.buses:
            lines.append(
                "\tBus: primary=%s, secondary=%02x, subordinate=%02x, sec-latency=0"
                % (self.address.split(":")[-2], *self.buses)
            )
        if self.kind is not None:
            lines += [
                f"\tCapabilities: [{EXPRESS:x}] Express (v2) {TYPES[self.kind]}, MSI 00",
                f"\t\tLnkCap:\tPort #{self.port}, Speed 16GT/s, Width x4",
                "\t\tDevCap:\tMaxPayload 512 bytes, PhantFunc 0",
                "\t\tDevCtl:\tCorrErr+ NonFatalErr+ FatalErr+ UnsupReq+",
                f"\t\t\tMaxPayload {self.payload} bytes, MaxReadReq 512 bytes",
                "\t\tDevCap2: Completion Timeout: Range ABCD, TimeoutDis+ ARIFwd+",
                f"\t\t\t 10BitTagComp{'-+'[self.tags[0]]} 10BitTagReq+ OBFF Not Supported",
                f"\t\tDevCtl2: Completion Timeout: 50us to 50ms, TimeoutDis- ARIFwd{'-+'[self.ari]}",
                f"\t\t\t 10BitTagReq{'-+'[self.tags[1]]} OBFF Disabled,",
                "\t\t\t AtomicOpsCtl: ReqEn- EgressBlck-",
                "\t\tLnkCtl2: Target Link Speed: 16GT/s, EnterCompliance- SpeedDis-",
                "\t\tLnkSta2: Current De-emphasis Level: -6dB, EqualizationComplete- EqualizationPhase1-",
                "\tCapabilities: [100 v1] Advanced Error Reporting",
                *(f"\t\t{name}:\tDLP- SDES- TLP- FCP- UnsupReq- ACSViol-" for name in ("UESta", "UEMsk", "UESvrt")),
                *(f"\t\t{name}:\tRxErr- BadTLP- BadDLLP- Rollover- Timeout-" for name in ("CESta", "CEMsk")),
                "\t\tAERCap:\tFirst Error Pointer: 00, ECRCGenCap- ECRCGenEn- ECRCChkCap- ECRCChkEn-",
                "\t\t\tMultHdrRecCap- MultHdrRecEn- TLPPfxPres- HdrLogCap-",
                "\t\tHeaderLog: 00000000 00000000 00000000 00000000",
            ]
        if self.acs:
            lines += [
                f"\tCapabilities: [{ACS:x} v1] Access Control Services",
                f"\t\tACSCap:\t{flags(self.acs[0])}",
                f"\t\tACSCtl:\t{flags(self.acs[1])}",
            ]
        if self.vfs:
            lines += [
                f"\tCapabilities: [{SRIOV:x} v1] Single Root I/O Virtualization (SR-IOV)",
                "\t\tIOVCap:\tMigration-, Interrupt Message Number: 000",
                "\t\tIOVCtl:\tEnable+ Migration- Interrupt- MSE+ ARIHierarchy-",
                f"\t\tInitial VFs: 8, Total VFs: 8, Number of VFs: {self.vfs[0]}, Function Dependency Link: 00",
                f"\t\tVF offset: {self.vfs[1]}, stride: {self.vfs[2]}, Device ID: {self.vfs[3]:04x}",
            ]
        if self.resizable and self.bar:
            lines += [
                f"\tCapabilities: [{REBAR:x} v1] Physical Resizable BAR",
                f"\t\tBAR 0: current size: {human(self.bar[1])}B, supported: "
                + " ".join(human(size) + "B" for size in self.resizable),
            ]
        if self.driver:
            lines.append(f"\tKernel driver in use: {self.driver}")
        return "\n".join(lines) + "\n\n"


def human(size):
    """As lspci has it: 256M"""
    unit = 0
    while size >= 1024 and not size % 1024:
        size, unit = size // 1024, unit + 1
    return f"{size}{' KMGT'[unit]}".replace(" ", "")


def flags(bits):
    return " ".join(name + "-+"[bits >> i & 1] for i, name in enumerate(FLAGS))


def bridge(address, kind, *buses, ids=(0x10B5, 0x9765), **more):
    return Function(address, ids, 0x0604, kind, buses, **more)


def switch(ids=(0x8086, 0x2030), ports=(ALL, 0), root=(ALL, UF), root_ids=None):
    """Two drives and a card below a switch, and a drive beside it:

              host bridge IDS
             /               \\
        00:01.0 ROOT       00:02.0 ROOT
           |                  |
        01:00.0            06:00.0 drive
       /   |   \\
    02:00.0 02:01.0 02:02.0  PORTS
       |     |       |
    03:00.0 04:00.0 05:00.0
     drive   drive   card
    """
    return [
        Function("00:00.0", ids, 0x0600, None),
        bridge("00:01.0", ROOT_PORT, 1, 5, acs=root, port=1, ids=root_ids or ids),
        bridge("00:02.0", ROOT_PORT, 6, 6, acs=root, port=2, ids=root_ids or ids),
        bridge("01:00.0", UPSTREAM, 2, 5),
        bridge("02:00.0", DOWNSTREAM, 3, 3, acs=ports, port=1),
        bridge("02:01.0", DOWNSTREAM, 4, 4, acs=ports, port=2),
        bridge("02:02.0", DOWNSTREAM, 5, 5, acs=ports, port=3),
        Function("03:00.0"),
        Function("04:00.0"),
        Function("05:00.0", (0x15B3, 0x1017), 0x0200),
        Function("06:00.0"),
    ]


def as_hex(machine, size=4096):
    return "".join(fn.hex(size) for fn in machine)


def as_text(machine):
    return "".join(fn.text() for fn in machine)


def below(machine, fn):
    """Where sysfs has it: a folder below that of the bridge above it"""
    above = [one for one in machine if one.buses and one.buses[0] == int(fn.address.split(":")[-2], 16)]
    return (below(machine, above[0]) if above else "devices/pci0000:00") + f"/0000:{fn.address}"


def as_sysfs(folder, machine, size=4096):
    """A copy of /sys: tar fills files that are shorter than they say up with zeroes."""
    (folder / "bus/pci/devices").mkdir(parents=True)
    for fn in machine:
        here = folder / below(machine, fn)
        here.mkdir(parents=True, exist_ok=True)
        (folder / "bus/pci/devices" / here.name).symlink_to(f"../../../{below(machine, fn)}")
        config = fn.config()
        (here / "config").write_bytes(config[:size].ljust(len(config), b"\0"))
        for name, value in {"vendor": fn.ids[0], "device": fn.ids[1], "class": fn.cls << 8, "irq": 0}.items():
            (here / name).write_bytes(f"{value:#x}\n".encode().ljust(4096, b"\0"))
        first = f"{fn.bar[0]:#x} {fn.bar[0] + fn.bar[1] - 1:#x} 0x14220c\n" if fn.bar else "0x0 0x0 0x0\n"
        (here / "resource").write_bytes((first + "0x0 0x0 0x0\n" * 6).encode().ljust(4096, b"\0"))
        if fn.driver:
            (folder / "bus/pci/drivers" / fn.driver).mkdir(parents=True, exist_ok=True)
            (here / "driver").symlink_to(f"../../../bus/pci/drivers/{fn.driver}")
    return folder / "devices/pci0000:00"


def corpus():
    """What a fuzzer of the parsers begins with: {name: text}, small, and with what they look for"""
    few = [
        fn for fn in switch(ports=(ALL, RR | CR), root=(ALL, 0)) if fn.address not in ("02:02.0", "05:00.0", "06:00.0")
    ]
    egress = [fn for fn in switch((0x1022, 0x14D8), ports=(ALL, EC)) if fn.address[:2] in ("00", "01", "02")]
    drive = Function("03:00.0", vfs=(2, 1, 1, 0xA808), bar=(0x380000000000, 1 << 28), resizable=(1 << 28, 1 << 30))
    drive.driver, drive.acs, drive.tags = "nvme", (ALL, 0), (True, True)
    virtual = Function("03:00.1", (0xFFFF, 0xFFFF), header={0: 0xFF, 1: 0xFF, 2: 0xFF, 3: 0xFF})
    egress += [drive, virtual]
    return {
        "hex": as_hex(few, 0x150),
        "text": as_text(few),
        "egress-hex": as_hex(egress, 0x1E0),
        "egress-text": as_text(egress),
        "unprivileged": as_hex(few, 64),
        "list": "".join(fn.title() + "\n" for fn in few)
        + "\n"
        + drive.text()[:-1]
        + drive.hex(0x100).split("\n", 1)[1],
        "twice": as_hex(few[:3], 64) * 2,
    }


def main(folder):
    """Writes the corpus, as it is committed."""
    for name, text in corpus().items():
        (folder / f"{name}.txt").write_text(f"# SPDX-License-Identifier: GPL-2.0-only\n{text}", encoding="ascii")


if __name__ == "__main__":
    main(Path(__file__).parent / "corpus/p2ptopo")
