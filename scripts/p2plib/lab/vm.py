# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU process: its command line, the channel to the guest, its end."""

import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from p2plib import Fail
from p2plib.advice import no_command
from p2plib.arch import X86_64, Arch
from p2plib.lab import trace
from p2plib.lab.cpus import Cpus, Range, ram_block
from p2plib.lab.qmp import Qmp
from p2plib.lab.topology import Topology

# A fault of any kind ends the guest; -no-reboot then ends QEMU, and the sentinel is missing. The host itself may stand
# still for half a minute, which is no stall of the guest's.
CMDLINE = (
    "panic_on_warn=1 oops=panic panic=-1 softlockup_panic=1 sysctl.kernel.hung_task_panic=1 "
    "sysctl.kernel.hung_task_timeout_secs=60 rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30 kunit.enable=0"
)
# icount: guest time is the number of instructions, and the same in each run. One processor, no contention.
ACCELERATORS = {
    "tcg": ("-accel", "tcg,thread=multi", "-smp", "2"),
    "kvm": ("-accel", "kvm", "-smp", "2"),
    "icount": ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1"),
}
PR_SET_PDEATHSIG = 1
GUEST_MAY_SAY = 4 << 20  # bytes on the results channel


def qemu(arch: Arch = X86_64) -> str:
    path = shutil.which(arch.qemu)
    if not path:
        raise Fail(no_command(arch.qemu))
    return path


def die_with_parent() -> None:
    """In the child: no QEMU outlives its lab, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# Of the VM and the words of a "# lab:" line behind its verb: the answer, "ok" if there is none
Handler = Callable[..., str | None]
# Of the VM and a line of results, as it comes
Watch = Callable[["Vm", str], None]


def ignore(_vm: "Vm", _line: str) -> None:
    """A Watch."""


@dataclass
class Vm:
    """A machine of TOPOLOGY, from the start of QEMU to its end; then what has been seen of it."""

    topology: Topology
    kernel: Path
    initrd: Path
    order: Sequence[str]  # the guest program with its arguments
    folder: Path  # takes all that the run leaves
    accel: str = "tcg"  # of ACCELERATORS
    memory: str = ""  # instead of the topology's
    cmdline: str = ""  # for the kernel, after all else
    env: Mapping[str, int] = field(default_factory=dict)  # for the guest program
    trace_dma: bool = True  # whether what the drives' DMA moves is to be seen
    events: tuple[str, ...] = ()  # of QEMU's trace, besides those that this needs
    possible_cpus: int = 0  # with those that stay off; 0 is those that are on
    wire: socket.socket | None = None  # whose other end is another VM's network card
    handlers: Mapping[str, Handler] = field(default_factory=dict)  # by their verbs, besides OWN
    watch: Watch = ignore

    process: subprocess.Popen | None = field(default=None, init=False)
    qmp: Qmp = field(init=False, repr=False)  # from run() on
    channel: socket.socket = field(init=False, repr=False)  # that of the results
    cpus_traced: bool = field(default=False, init=False)
    cpus: Cpus | None = field(default=None, init=False)  # where they can be seen
    card: int = field(default=0, init=False)  # address of the instruction that is the software cards' DMA
    replugged: int = field(default=0, init=False)  # how often, as names of files do not come back

    phases: list[trace.Phase] = field(default_factory=list, init=False)
    bars: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)  # provider -> first and last bus address
    bdfs: dict[str, str] = field(default_factory=dict, init=False)  # drive -> BDF as the guest says
    sentinel: dict[str, int] | None = field(default=None, init=False)
    timed_out: bool = field(default=False, init=False)
    faults: list[str] = field(default_factory=list, init=False)  # what the host itself found wrong
    lines: list[str] = field(default_factory=list, init=False)  # of results

    def drive_file(self, drive: str) -> Path:
        return self.folder / f"drive-{drive}.img"

    def console(self) -> str:
        """What the guest's kernel has said."""
        return (self.folder / "console.log").read_text(errors="replace")

    def command(self, interactive: bool = False, console: Sequence[str] = ()) -> list[str]:
        """QEMU's argv, without the sockets that run() adds. CONSOLE is the guest's when INTERACTIVE."""
        topology, arch = self.topology, self.topology.arch
        accelerator, leave = [*ACCELERATORS[self.accel]], ""
        if self.possible_cpus:  # without CPU hotplug that is as many as there are
            leave, accelerator[-1] = f"maxcpus={accelerator[-1]}", str(self.possible_cpus)
        argv = [qemu(arch), "-M", topology.machine or arch.machine, *accelerator]
        argv += ["-cpu", topology.cpu + arch.cpu_options, "-m", self.memory or topology.memory]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", self.append(interactive, leave)]
        if interactive:
            argv += [*console, "-serial", "null"]
        for device in topology.devices:
            argv += ["-device", device]
        return [*argv, *self.drives(), *self.ram_bars()]

    def append(self, interactive: bool, leave: str) -> str:
        """The kernel's command line; behind it init's orders."""
        # A guest that panics before it has a shell, or after, ends; -no-reboot then ends QEMU.
        arch = self.topology.arch
        base = "quiet panic=-1 kunit.enable=0" if interactive else CMDLINE
        # Not the kernel's: it ends up in the environment of init.
        ram_bars = "P2P_RAM_BARS=" + ",".join(self.topology.ram_bars) if self.topology.ram_bars else ""
        several = {port.drive: None for port in self.topology.ports.values()}
        ports = "P2P_PORTS=" + ",".join(several) if several else ""
        env = [f"{name}={value}" for name, value in self.env.items()]
        results = "" if arch == X86_64 else f"P2P_RESULTS={arch.results}"  # what init takes for granted
        words = [
            f"console={arch.console}",
            base,
            arch.cmdline,
            leave,
            self.topology.cmdline,
            self.cmdline,
            results,
            ram_bars,
            ports,
            *env,
            "--",
            *self.order,
        ]
        return " ".join(word for word in words if word)

    def drives(self) -> list[str]:
        argv = []
        for drive in self.topology.drives.values():
            device = f"nvme,id={drive.id},serial={drive.id},bus={drive.bus}"
            if self.topology.has_ports(drive.id):
                argv += ["-device", f"nvme-subsys,id=subsystem-{drive.id},nqn={drive.id}"]
                device += f",subsys=subsystem-{drive.id}"
            elif not drive.pi:
                device += f",drive=file-{drive.id}"
            if drive.addr:
                device += f",addr={drive.addr}"
            if drive.cmb_size_mb:
                device += f",cmb_size_mb={drive.cmb_size_mb}"
            # No flush waits for the host's disk: while QEMU counts instructions the guest's time does not wait for it
            file = f"format=raw,cache=unsafe,file={self.drive_file(drive.id)}"
            argv += ["-drive", f"if=none,id=file-{drive.id},{file}"]
            argv += ["-device", device]
            if drive.pi:
                argv += ["-device", f"nvme-ns,drive=file-{drive.id},bus={drive.id},ms={drive.METADATA},pi={drive.pi}"]
            if self.topology.has_ports(drive.id):
                argv += self.ports(drive.id)
        return argv

    def ports(self, drive: str) -> list[str]:
        """The drive's further controllers, and the namespace that all of them have."""
        argv = []
        for port in self.topology.ports.values():
            if port.drive == drive:
                device = f"nvme,id={port.id},serial={drive},bus={port.bus},subsys=subsystem-{drive}"
                argv += ["-device", device + (f",addr={port.addr}" if port.addr else "")]
        return [*argv, "-device", f"nvme-ns,drive=file-{drive},bus={drive},nsid=1"]

    def ram_bars(self) -> list[str]:
        argv = []
        for bar in self.topology.ram_bars.values():
            device = f"ivshmem-plain,id={bar.id},memdev=ram-{bar.id},bus={bar.bus}"
            if bar.addr:
                device += f",addr={bar.addr}"
            argv += ["-object", f"memory-backend-memfd,id=ram-{bar.id},size={bar.size_mb}M,share=on"]
            argv += ["-device", device]
        return argv

    def run(self, timeout: float) -> None:
        """Start, serve the guest until QEMU is gone or time is up, and leave no process behind."""
        argv = self.command()
        ours, theirs = zip(*(socket.socketpair() for _ in range(2)))
        for name, end in zip(("results", "qmp"), theirs):
            argv += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        argv += [
            "-serial",
            f"file:{self.folder}/console.log",
            *self.topology.arch.results_port,
            "-mon",
            "chardev=qmp,mode=control",
        ]
        more = (
            trace.EVENTS + ((self.topology.arch.translates,) if self.topology.iommu else ()) if self.trace_dma else ()
        )
        for event in self.events + more:
            argv += ["-trace", f"enable={event}"]
        fds = [end.fileno() for end in theirs]
        if self.wire:
            fds.append(self.wire.fileno())
            argv += [
                "-netdev",
                f"socket,id=wire,fd={self.wire.fileno()}",
                "-device",
                f"virtio-net-pci,netdev=wire,mac={mac_of(self.topology.name)}",
            ]
        if self.trace_dma and self.accel == "tcg":
            self.cpus = Cpus(self.folder / "cpus")
            argv += self.cpus.arguments()
        # Of several -trace arguments with a file= the last one counts, so it gets one of its own.
        argv += ["-trace", f"file={self.folder}/trace.log"]
        (self.folder / "cmdline").write_text(" \\\n\t".join(map(quote, argv)) + "\n")
        (self.folder / "trace.log").touch()
        (self.folder / "console.log").touch()

        deadline = time.monotonic() + timeout
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        try:
            for end in theirs:
                end.close()
            self.channel = ours[0]
            self.qmp = Qmp(ours[1])
            self.serve(deadline)
        except Fail as error:
            self.faults.append(str(error))
        finally:
            self.stop()
            for end in ours:
                end.close()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def serve(self, deadline: float) -> None:
        """Pass on the guest's lines until it closes the channel, which QEMU does when it exits."""
        self.qmp.greet()
        pending = b""
        said = 0
        with selectors.DefaultSelector() as selector, open(self.folder / "ktap.log", "wb") as ktap:
            selector.register(self.channel, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.timed_out = True
                    return
                if not selector.select(min(left, 1)):
                    continue
                try:
                    data = self.channel.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    break
                said += len(data)
                if said > GUEST_MAY_SAY:
                    raise Fail("the guest floods the results channel: see ktap.log")
                ktap.write(data)
                ktap.flush()
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self.on_line(line.decode(errors="replace").rstrip("\r"))
        assert self.process
        try:
            self.process.wait(max(0.1, min(10, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            self.timed_out = True

    def on_line(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("# lab: "):
            verb, *args = line[len("# lab: ") :].split()
            try:
                handler = OWN.get(verb) or self.handlers.get(verb)
                if not handler:
                    raise Fail(f"the guest asks for '{verb}', which the host does not know")
                reply = handler(self, *args) or "ok"
            except (TypeError, ValueError) as error:
                self.faults.append(f"guest said '{line}': {error}")
                reply = "error"
            self.channel.sendall(reply.encode() + b"\n")
        self.watch(self, line)

    def on_phase(self, edge: str, name: str, *how: str) -> None:
        """The guest waits for the answer, so that no DMA of its own falls between its word and our mark.

        What CPUs do to peer memory is seen in every phase, by QEMU's plugin. In one that begins with "watched" all
        accesses to memory that is no RAM are traced as well.
        """
        offset = os.stat(self.folder / "trace.log").st_size
        if edge == "begin" and how in ((), ("watched",)):
            self.phases.append(trace.Phase(name, offset, watched=bool(how)))
            self.trace_cpus(bool(how))
            self.see_cpus()
        elif edge == "end" and self.phases and self.phases[-1].name == name and self.phases[-1].end is None:
            self.phases[-1].end = offset
            self.trace_cpus(False)
            if self.cpus:
                self.phases[-1].touched, self.phases[-1].lost = self.cpus.end()
        else:
            self.faults.append(f"phase {name} ended, but it had not begun")

    def trace_cpus(self, on: bool) -> None:
        """Only as long as it has to be: the serial port that the guest talks through is in it, too."""
        if on == self.cpus_traced or not self.trace_dma:
            return
        for event in trace.CPU_EVENTS:
            self.qmp.command("trace-event-set-state", name=event, enable=on)
        self.cpus_traced = on

    def see_cpus(self) -> None:
        """From here on count what CPUs do to the memory of the providers that have been announced."""
        if not self.cpus:
            return
        blocks = self.qmp.monitor("info ramblock")
        ranges = {}
        for provider, (first, last) in self.bars.items():
            ram = provider in self.topology.ram_bars
            offset = ram_block(blocks, f"ram-{provider}") if ram else 0
            ranges[provider] = Range(first + offset, last + offset, not ram)
        self.cpus.begin(ranges, self.card)
        if not self.cpus.active:
            # That wakes CPUs that have nothing to do; the guest waits for our answer.
            self.qmp.command("stop")
            self.qmp.command("cont")
            self.cpus.wait()

    def on_card(self, address: str) -> None:
        self.card = int(address, 16)

    def on_bar(self, provider: str, first: str, last: str) -> None:
        """The guest says where peer memory is; QEMU, which built the machine, must say the same."""
        begin, end = int(first, 16), int(last, 16)
        bars = self.qmp.bars().get(provider, {})
        if bars.get(begin) != end - begin + 1:
            self.faults.append(f"{provider}: guest says BAR {begin:#x}-{end:#x}, QEMU has {bars}")
        self.bars[provider] = (begin, end)

    def on_drive(self, drive: str, bdf: str) -> None:
        self.bdfs[drive] = bdf

    def on_where(self, device: str) -> str:
        """A bar has no serial number by which the guest would know it."""
        return self.qmp.address(device)

    def on_end(self, *words: str) -> None:
        """The sentinel: NAME=NUMBER of all that the guest knows about its own end."""
        self.sentinel = {name: int(number) for name, number in (word.split("=") for word in words)}

    def account(self) -> None:
        for phase in self.phases:
            trace.account(self.folder / "trace.log", phase, self.bars, self.topology.iommu)
        trace.cut(self.folder / "trace.log")


OWN: dict[str, Handler] = {
    "phase": Vm.on_phase,
    "bar": Vm.on_bar,
    "end": Vm.on_end,
    "drive": Vm.on_drive,
    "where": Vm.on_where,
    "card": Vm.on_card,
}


def mac_of(name: str) -> str:
    """A locally administered address of its own for each name."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in zlib.crc32(name.encode()).to_bytes(4, "big")[:3])


def quote(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'" if not word.replace("-", "").isalnum() else word
