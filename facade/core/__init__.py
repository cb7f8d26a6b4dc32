"""Rules of the request path as functions of bytes and values.

No sockets, clocks, randomness, logs or environment: time and random bytes come in as arguments, so the same
rules hold for the kept parser and for the one that takes its place.
"""
