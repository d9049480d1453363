# SPDX-License-Identifier: GPL-2.0-only
"""A second VM beside that of a run: an initiator without drives, on a wire of its own to the first."""

import contextlib
import socket
import threading

from lab import LabError
from lab.topology import Topology
from lab.vm import Vm

WORD_TIMEOUT = 120      # seconds until the other one should have said it, under TCG


class Words:
    """What the two guests have told each other: each may wait for a word of the other's."""

    def __init__(self):
        self.said = set()
        self.over = False
        self.change = threading.Condition()

    def tell(self, word):
        with self.change:
            self.said.add(word)
            self.change.notify_all()

    def wait(self, word):
        """The answer to the guest: "ok", or "gone" when the word will not come."""
        with self.change:
            self.change.wait_for(lambda: word in self.said or self.over, WORD_TIMEOUT)
            return "ok" if word in self.said else "gone"

    def end(self):
        with self.change:
            self.over = True
            self.change.notify_all()


class Pair:
    """FIRST is the VM of the run, ORDER what the second one runs."""

    def __init__(self, first, order):
        folder = first.folder / "initiator"
        folder.mkdir()
        topology = Topology(name="initiator", about="a host without drives", picture="", cpu=first.topology.cpu,
                            devices=(), drives={}, expect={})
        self.first = first
        self.second = Vm(topology, first.kernel, first.initrd, order, folder, first.accel, first.memory)
        self.second.cmdline = first.cmdline

    def run(self, timeout):
        """Both until both have ended. One that ends early leaves the other without answers, which then fails."""
        words = Words()
        wires = socket.socketpair()
        for vm, wire in zip((self.first, self.second), wires):
            vm.wire = wire
            vm.handlers |= {"tell": words.tell, "await": words.wait}
        thread = threading.Thread(target=self.run_second, args=(timeout, words))
        thread.start()
        try:
            self.first.run(timeout)
        finally:
            words.end()
            thread.join()
            for wire in wires:
                wire.close()

    def run_second(self, timeout, words):
        with contextlib.ExitStack() as stack:
            stack.callback(words.end)
            try:
                self.second.run(timeout)
            except (OSError, LabError) as error:
                self.second.faults.append(str(error))
