"""The three standard streams, where whoever started us closed one (`>&-`, a service without a terminal)."""

from __future__ import annotations

import os
import sys


def all_there() -> None:
    """Put /dev/null where one is closed, before the next file that is opened takes its number.

    Otherwise a message of ours, or of a library in C, might be written into a database.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
