# SPDX-License-Identifier: GPL-2.0-only
"""A QMP client: JSON lines over a socket that is connected already."""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from p2plib import Fail


Message = dict[str, Any]


class Qmp:
    def __init__(self, sock: socket.socket, timeout: float = 10) -> None:
        self.sock = sock
        self.timeout = timeout
        self.buffer = b""
        self.events: list[Message] = []  # in order of arrival, until somebody waits for them

    def greet(self) -> None:
        """QEMU answers nothing else before this."""
        if "QMP" not in self._receive(time.monotonic() + self.timeout):
            raise Fail("QMP: no greeting: look at qemu.log of the run")
        self.command("qmp_capabilities")

    def command(self, name: str, /, **arguments: Any) -> Any:
        """Run a command and return what it returns; its failure is a Fail."""
        try:
            self.sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        except OSError as error:
            raise Fail(f"QMP: {error.strerror}: QEMU is gone, look at qemu.log of the run") from error
        deadline = time.monotonic() + self.timeout
        while True:
            message = self._receive(deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise Fail(f"QMP: {name}: {message['error'].get('desc')}: check its arguments")
            self.events.append(message)

    def monitor(self, line: str) -> str:
        """What a command of the human monitor prints."""
        return self.command("human-monitor-command", **{"command-line": line})

    def wait_event(self, name: str, timeout: float, **data: Any) -> Message:
        """The first event called name whose data holds at least what is asked for; it is consumed."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self.events.remove(event)
                    return event
            self.events.append(self._receive(deadline))

    def device_del(self, device: str, timeout: float = 30) -> None:
        """Unplug, and wait until the guest has let go of it."""
        self.command("device_del", id=device)
        self.wait_event("DEVICE_DELETED", timeout, device=device)

    def throttle(self, drive: str, rate: int) -> None:
        """Let RATE bytes a second through to the drive's file, 0 for all. One request passes, the others wait."""
        self.command("block_set_io_throttle", device=drive, bps=rate, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)

    def device_add(self, driver: str, **properties: Any) -> None:
        self.command("device_add", driver=driver, **properties)

    def bars(self) -> dict[str, dict[int, int]]:
        """{qdev id: {first address: size}} of the memory BARs of every device that has an id."""
        return {
            dev["qdev_id"]: {
                r["address"]: r["size"] for r in dev["regions"] if r["type"] == "memory" and r["address"] > 0
            }
            for dev in self.functions()
        }

    def address(self, device: str) -> str:
        """BDF of the device with this id, as the guest has numbered the buses."""
        for dev in self.functions():
            if dev["qdev_id"] == device:
                return f"0000:{dev['bus']:02x}:{dev['slot']:02x}.{dev['function']:x}"
        raise Fail(f"QMP: there is no PCI device '{device}': look at the cmdline of the run")

    def functions(self) -> Iterator[Message]:
        """Every PCI function that has an id, also behind bridges."""

        def visit(devices: Iterable[Message]) -> Iterator[Message]:
            for dev in devices:
                if dev.get("qdev_id"):
                    yield dev
                yield from visit(dev.get("pci_bridge", {}).get("devices", []))

        for bus in self.command("query-pci"):
            yield from visit(bus["devices"])

    def quit(self) -> None:
        self.command("quit")

    def _receive(self, deadline: float) -> Message:
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Fail("QMP: no answer in time: look at qemu.log of the run")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                continue
            except OSError as error:
                raise Fail(f"QMP: {error.strerror}: QEMU is gone, look at qemu.log of the run") from error
            if not data:
                raise Fail("QMP: QEMU closed the connection: look at qemu.log of the run")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)
