# SPDX-License-Identifier: GPL-2.0-only
"""How each command ends: with a status, and with one line if it could not do what it was asked for."""

import os
import signal
import sys
from collections.abc import Callable, Sequence

from p2plib import Fail
from p2plib.advice import os_error

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
UNHEARD = 128 + signal.SIGPIPE


def guard(main: Callable[[Sequence[str]], int]) -> None:
    """Run main(argv) and exit with what it returns; an error becomes one line and status 1, ^C one line and 130.

    SIGTERM unwinds as ^C does, so that no child is left behind and no file half written.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        status = main(sys.argv[1:])
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
