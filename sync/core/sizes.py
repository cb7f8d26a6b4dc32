"""How large a value may be that a round carries."""

from __future__ import annotations

# Characters or bytes of one value. On two shared cores a second of our own work (a hundred million were
# three, and took a gigabyte of memory), of the five that a follower's lease may rest.
LARGEST = 32 * 2**20


def too_large(size: int, what: str = "bytes") -> str:
    """What is said of a value that no round carries; "" of one that is small enough."""
    if size <= LARGEST:
        return ""
    return f"{size:,} {what}, more than the {LARGEST >> 20} MB that a round can carry"
