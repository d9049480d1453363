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

from lab import LabError, trace
from lab.qmp import Qmp
from p2plib.advice import no_command

# A fault of any kind ends the guest; -no-reboot then ends QEMU, and the sentinel is missing. no_timer_check: on a
# busy host an emulated timer ticks late, which the kernel takes for a broken IO-APIC; and the host itself may stand
# still for half a minute, which is no stall of the guest's.
CMDLINE = ("console=ttyS0 panic_on_warn=1 oops=panic panic=-1 softlockup_panic=1 sysctl.kernel.hung_task_panic=1 "
           "sysctl.kernel.hung_task_timeout_secs=60 rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30 kunit.enable=0 "
           "no_timer_check")
# icount: guest time is the number of instructions, and the same in each run. One processor, no contention.
ACCELERATORS = {"tcg": ("-accel", "tcg,thread=multi", "-smp", "2"),
                "kvm": ("-accel", "kvm", "-smp", "2"),
                "icount": ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1")}
PR_SET_PDEATHSIG = 1
GUEST_MAY_SAY = 4 << 20         # bytes on the results channel


def qemu():
    path = shutil.which("qemu-system-x86_64")
    if not path:
        raise LabError(no_command("qemu-system-x86_64"))
    return path


def die_with_parent():
    """In the child: no QEMU outlives its lab, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Vm:
    """VM of TOPOLOGY; ORDER is the guest program with its arguments, FOLDER takes all that the run leaves."""

    def __init__(self, topology, kernel, initrd, order, folder, accel="tcg", memory=None):
        self.topology = topology
        self.kernel = kernel
        self.initrd = initrd
        self.order = order
        self.folder = folder
        self.accel = accel
        self.memory = memory or topology.memory
        self.books = True                       # whether what the drives' DMA moves is to be seen
        self.wire = None                        # a socket whose other end is another VM's network card
        self.events = ()                        # of QEMU's trace, besides those that the books need
        self.possible_cpus = 0                  # with those that stay off; 0 is those that are on
        self.process = None
        self.qmp = None
        self.channel = None
        self.handlers = {"phase": self.on_phase, "bar": self.on_bar, "end": self.on_end, "drive": self.on_drive,
                         "where": self.on_where}
        self.cmdline = ""                       # for the kernel, after all else
        self.watch = lambda line: None          # sees each line of results as it comes
        self.replugged = 0                      # how often, as names of files do not come back
        self.phases = []
        self.bars = {}                          # provider id -> (first, last) bus address
        self.bdfs = {}                          # drive id -> BDF as the guest says
        self.sentinel = None
        self.timed_out = False
        self.faults = []                        # what the host itself found wrong
        self.lines = []

    def drive_file(self, drive):
        return self.folder / f"drive-{drive}.img"

    def command(self, interactive=False, console=("-serial", "mon:stdio")):
        """QEMU's argv, without the sockets that run() adds. CONSOLE is the guest's when INTERACTIVE."""
        topology = self.topology
        base = "console=ttyS0 quiet kunit.enable=0 no_timer_check" if interactive else CMDLINE
        # Not the kernel's: it ends up in the environment of init.
        lenders = topology.lenders and "P2P_LENDERS=" + ",".join(topology.lenders)
        accelerator, leave = [*ACCELERATORS[self.accel]], ""
        if self.possible_cpus:          # without CPU hotplug that is as many as there are
            leave, accelerator[-1] = f"maxcpus={accelerator[-1]}", str(self.possible_cpus)
        cmdline = " ".join(filter(None, [base, leave, topology.cmdline, self.cmdline, lenders, "--", *self.order]))
        argv = [qemu(), "-M", topology.machine, *accelerator,
                "-cpu", topology.cpu + ",check=off", "-m", self.memory, "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-kernel", str(self.kernel), "-initrd", str(self.initrd),
                "-append", cmdline]
        if interactive:
            argv += [*console, "-serial", "null"]
        for device in topology.devices:
            argv += ["-device", device]
        for drive in topology.drives.values():
            device = f"nvme,id={drive.id},serial={drive.id},drive=file-{drive.id},bus={drive.bus}"
            if drive.addr:
                device += f",addr={drive.addr}"
            if drive.cmb_size_mb:
                device += f",cmb_size_mb={drive.cmb_size_mb}"
            argv += ["-drive", f"if=none,id=file-{drive.id},format=raw,file={self.drive_file(drive.id)}",
                     "-device", device]
        for lender in topology.lenders.values():
            device = f"ivshmem-plain,id={lender.id},memdev=ram-{lender.id},bus={lender.bus}"
            if lender.addr:
                device += f",addr={lender.addr}"
            argv += ["-object", f"memory-backend-memfd,id=ram-{lender.id},size={lender.size_mb}M,share=on",
                     "-device", device]
        return argv

    def run(self, timeout):
        """Start, serve the guest until QEMU is gone or time is up, and leave no process behind."""
        argv = self.command()
        ours, theirs = zip(*(socket.socketpair() for _ in range(2)))
        for name, end in zip(("results", "qmp"), theirs):
            argv += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        argv += ["-serial", f"file:{self.folder}/console.log", "-serial", "chardev:results",
                 "-mon", "chardev=qmp,mode=control"]
        books = trace.EVENTS + (trace.IOMMU_EVENTS if self.topology.iommu else ()) if self.books else ()
        for event in self.events + books:
            argv += ["-trace", f"enable={event}"]
        fds = [end.fileno() for end in theirs]
        if self.wire:
            fds.append(self.wire.fileno())
            argv += ["-netdev", f"socket,id=wire,fd={self.wire.fileno()}",
                     "-device", f"virtio-net-pci,netdev=wire,mac={mac_of(self.topology.name)}"]
        # Of several -trace arguments with a file= the last one counts, so it gets one of its own.
        argv += ["-trace", f"file={self.folder}/trace.log"]
        (self.folder / "cmdline").write_text(" \\\n\t".join(map(quote, argv)) + "\n")
        (self.folder / "trace.log").touch()
        (self.folder / "console.log").touch()

        deadline = time.monotonic() + timeout
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=fds, start_new_session=True,
                                            preexec_fn=die_with_parent)
        try:
            for end in theirs:
                end.close()
            self.channel = ours[0]
            self.qmp = Qmp(ours[1])
            self.serve(deadline)
        except LabError as error:
            self.faults.append(str(error))
        finally:
            self.stop()
            for end in ours:
                end.close()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def serve(self, deadline):
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
                    raise LabError("the guest floods the results channel: see ktap.log")
                ktap.write(data)
                ktap.flush()
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self.on_line(line.decode(errors="replace").rstrip("\r"))
        try:
            self.process.wait(max(0.1, min(10, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            self.timed_out = True

    def on_line(self, line):
        self.lines.append(line)
        if line.startswith("# lab: "):
            verb, *args = line[len("# lab: "):].split()
            try:
                handler = self.handlers.get(verb)
                if not handler:
                    raise LabError(f"the guest asks for '{verb}', which the host does not know")
                reply = handler(*args) or "ok"
            except (TypeError, ValueError) as error:
                self.faults.append(f"guest said '{line}': {error}")
                reply = "error"
            self.channel.sendall(reply.encode() + b"\n")
        self.watch(line)

    def on_phase(self, edge, name):
        """The guest waits for the answer, so that no DMA of its own falls between its word and our mark."""
        offset = os.stat(self.folder / "trace.log").st_size
        if edge == "begin":
            self.phases.append(trace.Phase(name, offset))
        elif self.phases and self.phases[-1].name == name and self.phases[-1].end is None:
            self.phases[-1].end = offset
        else:
            self.faults.append(f"phase {name} ended, but it had not begun")

    def on_bar(self, provider, first, last):
        """The guest says where lent memory is; QEMU, which built the machine, must say the same."""
        first, last = int(first, 16), int(last, 16)
        bars = self.qmp.bars().get(provider, {})
        if bars.get(first) != last - first + 1:
            self.faults.append(f"{provider}: guest says BAR {first:#x}-{last:#x}, QEMU has {bars}")
        self.bars[provider] = (first, last)

    def on_drive(self, drive, bdf):
        self.bdfs[drive] = bdf

    def on_where(self, device):
        """A lender has no serial number by which the guest would know it."""
        return self.qmp.address(device)

    def on_end(self, *words):
        """The sentinel: NAME=NUMBER of all that the guest knows about its own end."""
        self.sentinel = {name: int(number) for name, number in (word.split("=") for word in words)}

    def account(self):
        for phase in self.phases:
            trace.account(self.folder / "trace.log", phase, self.bars, self.topology.iommu)
        trace.cut(self.folder / "trace.log")


def mac_of(name):
    """A locally administered address of its own for each name."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in zlib.crc32(name.encode()).to_bytes(4, "big")[:3])


def quote(word):
    return "'" + word.replace("'", "'\\''") + "'" if not word.replace("-", "").isalnum() else word
