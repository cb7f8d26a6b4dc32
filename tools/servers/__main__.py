"""`python -m tools.servers postgres|unleash up`: one real server for a person, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack

from tools.servers import Postgres, ServerMissing, Unleash


def main(words: list[str]) -> int:
    """Start what is asked for, print its addresses, end it on a signal."""
    if words not in (["postgres", "up"], ["unleash", "up"]):
        print("usage: python -m tools.servers postgres|unleash up", file=sys.stderr)
        return 2
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # SIGINT too: a shell's background job starts with it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as running:
            for line in _up(words[0], running):
                print(line, flush=True)
            signal.pause()
    except ServerMissing as missing:
        print(missing, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 0
    return 0


def _up(name: str, running: ExitStack) -> list[str]:
    postgres = running.enter_context(Postgres())
    if name == "postgres":
        return [f"database {postgres.database()}"]
    unleash = running.enter_context(Unleash(postgres.database()))
    return [
        f"url {unleash.url}",
        f"client token {unleash.client_token}",
        f"admin token {unleash.admin_token}",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
