"""Nothing in the repository says where, or on whose machine, it was written."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import texts

# A path in somebody's home, the host of a company, a key: none of them has a reason to be here.
SIGNS = {
    "a home folder": re.compile(r"(?<![\w.])/(?:home|Users)/[a-z][\w.-]*/|(?<![\w./])/root/"),
    "a private host name": re.compile(r"\b[\w-]+\.(?:internal|corp|lan|intranet)\b(?!\()"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a package index": re.compile(r"(?:pypi|npm|registry|artifact)[\w.-]*\.[a-z]{2,}/(?:simple|api/pypi)"),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_the_repository_holds_no(sign: str) -> None:
    found = [
        f"{name}: {hit.group()}"
        for name, text in texts()
        for hit in SIGNS[sign].finditer(text)
        if not name.endswith((".lock", "package-lock.json"))
        and name != "tests/architecture/test_nothing_of_a_workplace.py"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("sign", "text"),
    [
        ("a home folder", "see /home/ada/shop"),
        ("a private host name", "build.corp"),
        ("a package index", "https://pypi.example.org/simple"),
    ],
)
def test_the_sign_would_be_seen(sign: str, text: str) -> None:
    assert SIGNS[sign].search(text)
