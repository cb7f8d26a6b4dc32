"""A cache in this process's memory. With two processes each has its own idea of the truth."""

import time

_values = {}


def cached(key, seconds, make):
    """Return the value kept under `key`, or make and keep it for `seconds`."""
    found = _values.get(key)
    if found and found[0] > time.monotonic():
        return found[1]
    value = make()
    _values[key] = (time.monotonic() + seconds, value)
    return value


def forget(key):
    _values.pop(key, None)
