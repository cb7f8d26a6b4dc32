"""Writes to a database of the sample shop past everybody: one piece more of product 24, which is sold out.

usage: python rogue.py FILE [--past-the-fence]

With --past-the-fence it passes for a round of the relay, so neither fence nor capture look at it: this is
how a defect of ours would look, or a page gone bad on the disk.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing


def write(file: str, past_the_fence: bool) -> None:
    """One transaction."""
    with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as line:
        line.execute("BEGIN IMMEDIATE")
        if past_the_fence:
            line.execute("UPDATE sf_round SET mark = 1 WHERE slice = 'orders'")
        line.execute("UPDATE stock SET quantity = quantity + 1 WHERE product_id = 24")
        line.execute("UPDATE sf_round SET mark = 0 WHERE slice = 'orders'")
        line.execute("COMMIT")


if __name__ == "__main__":
    try:
        write(sys.argv[1], "--past-the-fence" in sys.argv[2:])
    except sqlite3.IntegrityError as refused:
        sys.exit(str(refused))
    sys.stdout.write("written\n")
