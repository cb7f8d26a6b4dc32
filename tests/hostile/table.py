"""The published table: what each proxy did with each case, by rule, and what was wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.classes import MEANING, Did, Verdict
from tests.hostile.rules import RULES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hostile-requests.md"
_CELLS = re.compile(r"(?<!\\)\|")
_NOTHING, _FAILED = "–", "failed"
_MARKS = {Did.REFUSED: "r", Did.CLEAN: "c", Did.OTHERWISE: "o", Did.WRONG: "w"}


@dataclass(frozen=True)
class Column:
    """One proxy: how it is called, its version and settings, and its verdicts by the case's name."""

    name: str
    version: str
    settings: str
    verdicts: Mapping[str, Verdict]


def page(cases: Sequence[Case], columns: Sequence[Column]) -> str:
    """The whole page; the first column is ours."""
    parts = [_head(cases, columns), _by_rule(cases, columns), _wrong(cases, columns[1:])]
    parts.append("## Every case\n")
    parts += [_cases_of(rule, _of(rule, cases), columns) for rule in RULES if _of(rule, cases)]
    return "\n".join(parts)


def names_in(text: str) -> list[str]:
    """The names of the cases that a page lists."""
    return list(dict.fromkeys(case for column in kept(text).values() for case in column))


def kept(text: str) -> dict[str, dict[str, Verdict]]:
    """What a page says, by the names of its columns and cases: the rest of it need not be measured again."""
    said: dict[str, dict[str, Verdict]] = {}
    wrong: dict[tuple[str, str], str] = {}
    names: list[str] = []
    for line in text.splitlines():
        cells = [_text(cell.strip()) for cell in _CELLS.split(line)[1:-1]]
        if cells[:1] == ["case"]:
            names = cells[1:]
        elif names and len(cells) == len(names) + 1 and not cells[0].startswith("---"):
            for name, word in zip(names, cells[1:], strict=True):
                if word != _NOTHING:
                    verdict = _said(cells[0], word.strip("*"), wrong.get((name, cells[0]), ""))
                    said.setdefault(name, {})[cells[0]] = verdict
        elif not names and len(cells) == 3:
            wrong[cells[0], cells[1]] = cells[2]
    return said


def _said(case: str, word: str, wrong: str) -> Verdict:
    failed = word == _FAILED
    return Verdict(case, not failed, Did.OTHERWISE if failed else Did(word), wrong, "")


def _of(rule: str, cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.rule == rule]


def _head(cases: Sequence[Case], columns: Sequence[Column]) -> str:
    words = "\n".join(f"- **{word}** ({_MARKS[word]}): {meaning};" for word, meaning in MEANING.items())
    proxies = "\n".join(f"| {one.name} | {one.version} | {one.settings} |" for one in columns)
    only = sum(case.only_ours for case in cases)
    return f"""# Hostile requests

Written by `python -m tests.hostile` (`--json` for each proxy, then `--page`), which needs nginx, HAProxy and
Envoy. A test holds its list of cases to the corpus (`tests/hostile/corpus.py`), and `make test` runs the
corpus against the facade each time, whole and byte by byte. {len(cases)} cases, {only} of which mean nothing
to another proxy ("–").

nginx and HAProxy are those that Debian 12 packages, not their newest; Envoy and aiohttp are.

Every proxy stands in front of the same scripted upstreams, which read strictly; each is set up with care,
with the strictest settings that its manual names:

| proxy | version | settings |
|---|---|---|
{proxies}

What a proxy did with a case is told in one of four words, the same for all:

{words[:-1]}.

To differ from us is not to be unsafe. The cases were written from our rules; "otherwise" tells of matters of
taste, and of duties that other proxies never took on, and each of them does much that the facade does not.
"Wrong" is what nobody would want. Where a case asks that a request is passed on, "refused" is safe and less
useful. The words say nothing about speed, nor about what no case asks.
"""


def _by_rule(cases: Sequence[Case], columns: Sequence[Column]) -> str:
    names = " | ".join(column.name for column in columns)
    rows = ["## By rule\n", f"| rule | cases | {names} |", "|---|---|" + "---|" * len(columns)]
    for rule in RULES:
        of = _of(rule, cases)
        if of:
            counts = " | ".join(_counted(of, column) for column in columns)
            rows.append(f"| {RULES[rule].sentence} | {len(of)} | {counts} |")
    totals = " | ".join(_counted(cases, column) for column in columns)
    rows.append(f"| **all** | {len(cases)} | {totals} |")
    return "\n".join([*rows, ""])


def _counted(cases: Sequence[Case], column: Column) -> str:
    words = Counter(column.verdicts[case.name].did for case in cases if case.name in column.verdicts)
    told = [f"{words[word]} {_MARKS[word]}" for word in Did if words[word]]
    return f"**{', '.join(told)}**" if words[Did.WRONG] else ", ".join(told) or _NOTHING


def _wrong(cases: Sequence[Case], columns: Sequence[Column]) -> str:
    rows = ["## What was wrong\n", "| proxy | case | what was seen |", "|---|---|---|"]
    for column in columns:
        for case in cases:
            found = column.verdicts.get(case.name)
            if found is not None and found.did is Did.WRONG:
                rows.append(f"| {column.name} | {_cell(case.name)} | {_cell(found.wrong)} |")
    return "\n".join([*rows, ""])


def _cases_of(rule: str, cases: Sequence[Case], columns: Sequence[Column]) -> str:
    names = " | ".join(column.name for column in columns)
    rows = [f"<details><summary>{RULES[rule].sentence}</summary>\n", f"| case | {names} |"]
    rows.append("|---|" + "---|" * len(columns))
    rows += [f"| {_cell(case.name)} | {' | '.join(_words(case, columns))} |" for case in cases]
    return "\n".join([*rows, "\n</details>\n"])


def _words(case: Case, columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        found = column.verdicts.get(case.name)
        if found is None:
            yield _NOTHING
        elif column is columns[0] and not found.passed:
            yield _FAILED
        else:
            yield f"**{found.did}**" if found.did is Did.WRONG else found.did


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _text(cell: str) -> str:
    return cell.replace("\\|", "|").replace("&lt;", "<")
