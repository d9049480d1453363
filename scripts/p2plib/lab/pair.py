# SPDX-License-Identifier: GPL-2.0-only
"""A second VM beside that of a run: an initiator without drives, on a wire of its own to the first."""

import contextlib
import socket
import threading
from collections.abc import Sequence

from p2plib import Fail
from p2plib.lab.topology import Topology
from p2plib.lab.vm import Vm

WORD_TIMEOUT = 120  # seconds until the other one should have said it, under TCG


class Words:
    """What the two guests have told each other: each may wait for a word of the other's."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.over = False
        self.change = threading.Condition()

    def tell(self, word: str) -> None:
        with self.change:
            self.said.add(word)
            self.change.notify_all()

    def wait(self, word: str) -> str:
        """The answer to the guest: "ok", or "gone" when the word will not come."""
        with self.change:
            self.change.wait_for(lambda: word in self.said or self.over, WORD_TIMEOUT)
            return "ok" if word in self.said else "gone"

    def end(self) -> None:
        with self.change:
            self.over = True
            self.change.notify_all()


class Pair:
    """A wire between two VMs, and words that their guests say to each other: what both are made with."""

    def __init__(self) -> None:
        self.words = Words()
        self.wires = socket.socketpair()
        self.handlers = {
            "tell": lambda _vm, word: self.words.tell(word),
            "await": lambda _vm, word: self.words.wait(word),
        }

    def run(self, first: Vm, second: Vm, timeout: float) -> None:
        """Both until both have ended. One that ends early leaves the other without answers, which then fails."""
        thread = threading.Thread(target=self.run_second, args=(second, timeout))
        thread.start()
        try:
            first.run(timeout)
        finally:
            self.words.end()
            thread.join()
            for wire in self.wires:
                wire.close()

    def run_second(self, vm: Vm, timeout: float) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.words.end)
            try:
                vm.run(timeout)
            except (OSError, Fail) as error:
                vm.faults.append(str(error))

    def initiator(self, first: Vm, order: Sequence[str]) -> Vm:
        """The VM beside FIRST: as that is, but without devices."""
        folder = first.folder / "initiator"
        folder.mkdir()
        topology = Topology(
            name="initiator",
            about="a host without drives",
            picture="",
            cpu=first.topology.cpu,
            devices=(),
            drives={},
            expect={},
            arch=first.topology.arch,
        )
        return Vm(
            topology,
            first.kernel,
            first.initrd,
            order,
            folder,
            first.accel,
            first.memory or first.topology.memory,
            first.cmdline,
            env=first.env,
            wire=self.wires[1],
            handlers=self.handlers,
        )
