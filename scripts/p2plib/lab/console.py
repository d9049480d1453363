# SPDX-License-Identifier: GPL-2.0-only
"""Commands piped into a guest's shell: each line when the shell asks for it, and the end of input as an end."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence, Iterable

from p2plib.lab.vm import die_with_parent

CONSOLE = ("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console")
PROMPT = re.compile(rb"p2p:\S* # $")  # PS1 of lab/guest/init
ASKS_CURSOR = b"\033[6n"  # the shell's question to a terminal, which is not there
QUIET_SECONDS = 2
END_OF_INPUT = b"\004"


class Session:
    """A guest's console on pipes, and what has been seen there."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.qemu = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        assert self.qemu.stdin and self.qemu.stdout
        self.keyboard, self.screen = self.qemu.stdin, self.qemu.stdout
        self.heard = threading.Condition()
        self.prompt, self.sounds = False, 0
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self) -> None:
        """Pass on what the guest says, until QEMU is gone."""
        tail = b""
        while data := os.read(self.screen.fileno(), 65536):
            tail = (tail + data)[-200:]
            sys.stdout.buffer.write(data.replace(ASKS_CURSOR, b"").replace(b"\r", b""))
            sys.stdout.buffer.flush()
            with self.heard:
                self.sounds += 1
                self.prompt = bool(PROMPT.search(tail.replace(ASKS_CURSOR, b"")))
                self.heard.notify_all()
        with self.heard:
            self.prompt = True
            self.heard.notify_all()

    def wait_prompt(self, quiet: float | None = None) -> None:
        """Wait for the prompt; a program that reads the input itself shows none, but falls QUIET."""
        with self.heard:
            sounds = -1
            while not self.prompt and sounds != self.sounds:
                sounds = self.sounds if quiet else -1
                self.heard.wait(quiet)

    def send(self, data: bytes) -> None:
        self.prompt = False
        try:
            self.keyboard.write(data)
            self.keyboard.flush()
        except BrokenPipeError:
            pass
        self.wait_prompt(QUIET_SECONDS)


def feed(argv: Sequence[str], lines: Iterable[bytes]) -> int:
    """Run QEMU with LINES as what is typed; its exit status."""
    session = Session(argv)
    session.wait_prompt()
    for line in lines:
        session.send(line.rstrip(b"\n") + b"\n")
    while session.qemu.poll() is None:
        session.send(END_OF_INPUT)
    session.listener.join()
    return session.qemu.wait()
