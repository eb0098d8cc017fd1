"""`fullhead`, as which it is installed, and `python -m fullhead`."""

import os
import signal


def main() -> None:
    """The command line. Ctrl-C while it is still being imported ends it without a word."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a job in the background ignores it
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from fullhead.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
