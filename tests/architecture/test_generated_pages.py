"""The pages that are drawn from the code say what the code says."""

from __future__ import annotations

from tests.architecture.tree import REPO, named
from tools.docs import pages


def test_no_generated_page_is_stale() -> None:
    stale = [
        named(path)
        for path, text in pages(REPO).items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert stale == [], "run `make docs`"
