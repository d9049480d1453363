# SPDX-License-Identifier: GPL-2.0-only
"""A guest's shell: for a human at a terminal, or commands piped into it, each line when the shell asks for it.

Either way what the guest says is logged, and a watchdog ends a guest that gets no shell, or takes too long.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence, Iterable
from pathlib import Path

from p2plib.lab.vm import die_with_parent

PROMPT = re.compile(rb"p2p:\S* # $")  # PS1 of lab/guest/init
BOOTED = re.compile(rb"p2p:\S* # ")
ASKS_CURSOR = b"\033[6n"  # the shell's question to a terminal, which is not there
QUIET_SECONDS = 2
END_OF_INPUT = b"\004"


def arguments(log: Path, terminal: bool) -> list[str]:
    """QEMU's, for a console on its standard streams; at a TERMINAL, Ctrl-A leads to QEMU."""
    device = f"stdio,id=console,signal=off,logfile={log}" + (",mux=on" if terminal else "")
    monitor = ["-mon", "chardev=console,mode=readline"] if terminal else []
    return ["-chardev", device, "-serial", "chardev:console", *monitor]


class Watchdog:
    """Ends QEMU if its guest has no shell after BOOT seconds, or is still there after LIMIT, if there is one."""

    def __init__(self, qemu: subprocess.Popen, log: Path, boot: float, limit: float | None) -> None:
        self.qemu, self.log, self.boot, self.limit = qemu, log, boot, limit
        self.booted = False
        self.reason = ""
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def look(self) -> None:
        self.booted = self.booted or bool(BOOTED.search(said(self.log)))

    def watch(self) -> None:
        start = time.monotonic()
        while self.qemu.poll() is None:
            self.look()
            passed = time.monotonic() - start
            if not self.booted and passed > self.boot:
                self.reason = f"the guest has no shell after {self.boot:g} s"
            elif self.limit and passed > self.limit:
                self.reason = f"the guest still runs after {self.limit:g} s"
            else:
                time.sleep(0.2)
                continue
            self.qemu.kill()
            return

    def end(self) -> None:
        """QEMU is gone."""
        self.thread.join()
        self.look()


def said(log: Path) -> bytes:
    return log.read_bytes() if log.exists() else b""


class Session:
    """A guest's console on pipes, and what has been seen there."""

    def __init__(self, qemu: subprocess.Popen) -> None:
        self.qemu = qemu
        assert qemu.stdin and qemu.stdout
        self.keyboard, self.screen = qemu.stdin, qemu.stdout
        self.heard = threading.Condition()
        self.prompt, self.gone, self.sounds = False, False, 0
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
            self.gone = True
            self.heard.notify_all()

    def wait_prompt(self, quiet: float | None = None) -> None:
        """Wait for the prompt; a program that reads the input itself shows none, but falls QUIET."""
        with self.heard:
            sounds = -1
            while not self.prompt and not self.gone and sounds != self.sounds:
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


def attend(argv: Sequence[str], log: Path, boot: float) -> Watchdog:
    """Run QEMU with a human at its console."""
    qemu = subprocess.Popen(argv, preexec_fn=die_with_parent)
    dog = Watchdog(qemu, log, boot, None)
    qemu.wait()
    dog.end()
    return dog


def feed(argv: Sequence[str], lines: Iterable[bytes], log: Path, boot: float, limit: float) -> Watchdog:
    """Run QEMU with LINES as what is typed; none of them is taken before there is a shell."""
    qemu = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    dog = Watchdog(qemu, log, boot, limit)
    session = Session(qemu)
    session.wait_prompt()
    if session.prompt:
        for line in lines:
            session.send(line.rstrip(b"\n") + b"\n")
            if session.gone:
                break
    while not session.gone:
        session.send(END_OF_INPUT)
    session.listener.join()
    qemu.wait()
    dog.end()
    return dog
