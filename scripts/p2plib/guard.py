# SPDX-License-Identifier: GPL-2.0-only
"""How each command ends: with a status, and with one line if it could not do what it was asked for."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from p2plib import Fail
from p2plib.advice import os_error

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
UNHEARD = 128 + signal.SIGPIPE


class Terminated(BaseException):
    """SIGTERM has come."""


def terminate(*_: object) -> None:
    """Once: what comes meanwhile would cut the unwinding short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Raised in a finalizer, it would be printed and forgotten.
    sys.unraisablehook = lambda _: end_terminated()
    raise Terminated


def end_terminated() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    print("p2p: ended by SIGTERM: run it again, it starts where it can", file=sys.stderr, flush=True)
    os._exit(TERMINATED)


def guard(main: Callable[[Sequence[str]], int]) -> None:
    """Run main(argv) and exit with what it returns; an error becomes one line and status 1, ^C one line and 130.

    SIGTERM unwinds as ^C does, so that no child is left behind and no file half written, and is one line and 143.
    """
    signal.signal(signal.SIGTERM, terminate)
    try:
        try:
            status = main(sys.argv[1:])
        except BaseException:  # also an error that only comes of the unwinding
            if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
                end_terminated()
            raise
        sys.stdout.flush()
        sys.exit(status)
    except Fail as error:
        print(f"p2p: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # Who read what we say has gone, and need not hear of it; python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNHEARD)
    except OSError as error:
        print(f"p2p: {os_error(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("p2p: interrupted: run it again, it starts where it can", file=sys.stderr)
        sys.exit(INTERRUPTED)
