"""Which logins bind a connection to one user."""

from __future__ import annotations

import pytest

from facade.core.login import is_login


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, False),
        ([], False),
        ([b"Basic dXNlcjpwYXNz"], False),
        ([b"Bearer ntlm"], False),
        ([b"NTLM TlRMTVNTUAAB"], True),
        ([b" negotiate YII="], True),
        ([b"Basic realm=x", b"Negotiate"], True),
    ],
)
def test_ntlm_and_negotiate_log_in_a_connection_and_nothing_else_does(
    fields: list[bytes] | None, expected: bool
) -> None:
    assert is_login(fields) is expected
