"""The bucket of a key, computed exactly as Unleash's engine does.

`murmur3(groupId:value) % 100 + 1`, seed 0, unsigned: a flexibleRollout of p % is true for the keys whose
bucket is at most p. Held to the engine by a property test.
"""

from __future__ import annotations

from functools import lru_cache

import mmh3


@lru_cache(maxsize=8192)  # one request asks for the same key more than once, and a user comes back
def bucket(group_id: str, key: str) -> int:
    """The bucket 1..100 of `key` in the rollout group `group_id`."""
    # A key is somebody's header: a stray surrogate in it must not be an error on the request path.
    return mmh3.hash(f"{group_id}:{key}".encode("utf-8", "surrogatepass"), 0, signed=False) % 100 + 1
