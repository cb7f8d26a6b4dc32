"""Logins of a connection instead of a request (NTLM, Negotiate): nobody else may use such a connection."""

from __future__ import annotations

_PER_CONNECTION = (b"ntlm", b"negotiate")


def is_login(fields: list[bytes] | None) -> bool:
    """Whether one of these Authorization or WWW-Authenticate values begins, or asks for, such a login."""
    return fields is not None and any(each.strip().lower().startswith(_PER_CONNECTION) for each in fields)
