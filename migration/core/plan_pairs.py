"""Forms: a page and the write it leads to are one conversation and move together."""

from __future__ import annotations

from collections.abc import Mapping

from migration.core.plan import Route, Slice
from migration.core.plan_check import Document, Findings, Values
from migration.core.suggest import did_you_mean
from migration.core.toml_lines import Path

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1
# Programs ask these: what a GET answers there is no form whose hidden fields its POST sends back.
NO_FORMS = "/api/"


def check_pairs(rows: Mapping[str, Values], document: Document, path: Path, found: Findings) -> None:
    """Note what is wrong with the `pair` of routes; the partner of a pair is given its name too."""
    for at, (name, row) in enumerate(list(rows.items())):
        pair = row.get("pair")
        if pair is None:
            continue
        where = (*path, "routes", at, "pair")
        if pair not in rows or pair == name:
            others = [other for other in rows if other != name]
            found.add(document, where, f"no route {pair!r} in this slice; {did_you_mean(pair, others)}")
        elif len({_reads(row), _reads(rows[pair])}) == 1:
            found.add(document, where, f"{pair!r} is no other half of {name!r}; pair a GET with its POST")
        elif rows[pair].get("pair") is None:
            rows[pair]["pair"] = name


def _reads(row: Values) -> bool:
    match = row.get("match")
    return match is not None and match.method in SAFE_METHODS


def check_forms(
    slices: Mapping[str, Slice], placed: Mapping[str, tuple[Document, Path]], found: Findings
) -> None:
    """Warn of each POST that could be sent to another side than the page that it was filled in on."""
    routes = [route for part in slices.values() for route in part.routes]
    pages = {route.template.text: route for route in routes if route.method == "GET"}
    for route in routes:
        page = pages.get(route.template.text)
        if route.method != "POST" or page is None or route.template.text.startswith(NO_FORMS):
            continue
        if not _together(page, route):
            found.warn(*placed[route.id], _warning(page, route))


def _together(page: Route, write: Route) -> bool:
    return page.slice_name == write.slice_name and (page.pair == write.name or write.pair == page.name)


def _warning(page: Route, write: Route) -> str:
    text = write.template.text
    if page.slice_name != write.slice_name:
        return f"GET {text} and POST {text} are in two slices; move both into one and pair them"
    return f'GET {text} and POST {text} may be sent to two sides; if it is a form, write pair = "{page.name}"'
