# SPDX-License-Identifier: GPL-2.0-only
"""What a guest may ask the host to do with its machine while it runs, or to say of it.

Devices come and go, I/O is held back; what is in a BAR.
"""

from p2plib.lab.sizes import MIB, SAMPLE_BYTES
from p2plib.lab.vm import Vm


def unplug(vm: Vm, drive: str) -> None:
    vm.qmp.device_del(drive)


def replug(vm: Vm, drive: str) -> None:
    """The drive that was unplugged, or one that cannot be told from it."""
    lost = vm.topology.drives[drive]
    vm.replugged += 1
    node = f"file-{drive}-{vm.replugged}"
    vm.qmp.command(
        "blockdev-add",
        driver="raw",
        cache={"no-flush": True},
        **{"node-name": node},
        file={"driver": "file", "filename": str(vm.drive_file(drive))},
    )
    vm.qmp.device_add(
        "nvme",
        id=drive,
        serial=drive,
        drive=node,
        bus=lost.bus,
        cmb_size_mb=lost.cmb_size_mb,
        **({"addr": lost.addr} if lost.addr else {}),
    )


def replug_gone(vm: Vm, drive: str) -> None:
    """As soon as it is out, for who has pressed the button and not waited."""
    vm.qmp.wait_event("DEVICE_DELETED", 30, device=drive)
    replug(vm, drive)


def replug_port(vm: Vm, name: str) -> None:
    """One of the controllers of a drive that has several: the namespace was not away."""
    if port := vm.topology.ports.get(name):
        drive, bus, addr = port.drive, port.bus, port.addr
    else:
        drive, bus, addr = name, vm.topology.drives[name].bus, vm.topology.drives[name].addr
    subsystem = f"subsystem-{drive}"
    vm.qmp.device_add("nvme", id=name, serial=drive, bus=bus, subsys=subsystem, **({"addr": addr} if addr else {}))


def press_attention(vm: Vm, drive: str) -> None:
    """Ask for it, and let the guest go on meanwhile."""
    vm.qmp.command("device_del", id=drive)


def plug(vm: Vm, name: str) -> None:
    """Put a provider back as soon as it is out, with new memory: QEMU 7.2 trips over what has been used before."""
    bar = vm.topology.ram_bars[name]
    vm.qmp.wait_event("DEVICE_DELETED", 30, device=name)
    vm.qmp.command("object-del", id=f"ram-{name}-{vm.replugged}" if vm.replugged else f"ram-{name}")
    vm.replugged += 1
    memory = f"ram-{name}-{vm.replugged}"
    vm.qmp.command("object-add", id=memory, size=bar.size_mb * MIB, share=True, **{"qom-type": "memory-backend-memfd"})
    vm.qmp.device_add("ivshmem-plain", id=name, memdev=memory, bus=bar.bus, **({"addr": bar.addr} if bar.addr else {}))


def hold(vm: Vm, drive: str) -> None:
    """I/O of the drive stays in flight from now on."""
    vm.qmp.throttle(f"file-{drive}", 1)


def slow(vm: Vm, drive: str) -> None:
    """I/O of the drive takes seconds, from the second on."""
    vm.qmp.throttle(f"file-{drive}", 64 << 10)


def release(vm: Vm, drive: str) -> None:
    vm.qmp.throttle(f"file-{drive}", 0)


def holds(vm: Vm, provider: str, word: str) -> str:
    """Whether the BAR holds what the sample client writes when it is given that word."""
    first, last = vm.bars[provider]
    dump = vm.folder / "bar"
    vm.qmp.command("pmemsave", val=first, size=last - first + 1, filename=str(dump))
    found = (word.encode() * SAMPLE_BYTES)[:SAMPLE_BYTES] in dump.read_bytes()
    dump.unlink()
    return "yes" if found else "no"
