"""What the capture audit says is one sentence with its cure."""

from __future__ import annotations

from sync.core.audit import Finding


def test_a_finding_says_where_what_and_the_cure() -> None:
    found = Finding("no key", "orders", "it has no primary key", "give it one")
    assert str(found) == "orders: it has no primary key; give it one"
    assert found.fatal
