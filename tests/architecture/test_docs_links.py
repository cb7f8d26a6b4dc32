"""Every relative link in every page leads somewhere, to the heading too."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tests.architecture.tree import REPO, named, pages, texts

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_SOURCE = re.compile(r"(?:src|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def links(text: str) -> list[str]:
    """The targets of a page's links and pictures, code left out."""
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    return [*_LINK.findall(prose), *_SOURCE.findall(prose)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of `page` that lead nowhere."""
    return [link for link in links(page.read_text(encoding="utf-8")) if not _leads(page, link)]


def _leads(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(REPO.resolve()):
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.read_text(encoding="utf-8"))


def test_every_relative_link_leads_somewhere() -> None:
    found = {named(page): broken(page) for page in pages()}
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_every_page_that_the_code_names_exists() -> None:
    named_pages = {
        (name, page)
        for name, text in texts()
        if name.endswith((".py", ".toml", ".yml", "Makefile"))
        and name != "tests/architecture/test_docs_links.py"
        for page in re.findall(r"\bdocs/[\w./-]+\.md\b", text)
    }
    assert {(name, page) for name, page in named_pages if not (REPO / page).exists()} == set()


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    reached, ahead = set(), [REPO / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        for link in links(page.read_text(encoding="utf-8")):
            target = (page.parent / link.split("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                ahead.append(target)
    assert [named(page) for page in pages() if named(page).startswith("docs/") and page not in reached] == []


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    assert links("see [this](nowhere.md) and `[not](code.md)`") == ["nowhere.md"]
    page = REPO / "docs" / "imagined.md"
    assert not _leads(page, "nowhere.md")
    assert not _leads(page, "index.md#no-such-heading")
    assert anchors("# What is it?\n```\n# no heading\n```\n## Two words") == {"what-is-it", "two-words"}
