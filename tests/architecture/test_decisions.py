"""Each decision record says what was chosen, what else was tried, what it costs; 0002 has each dependency."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.locks import SERVICES, pins
from tests.architecture.tree import REPO, ROOMS, project

FOLDER = REPO / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
SECTIONS = ("Chosen", "Also tried or weighed", "What it costs")


def test_the_records_are_numbered_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_sections_in_order(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# {record.name[:4]} · \S.*\n", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


def test_the_index_names_every_record() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [record.name for record in RECORDS if f"]({record.name})" not in index] == []


def _wanted() -> dict[str, Requirement]:
    table = project()["project"]
    everything = [
        *table["dependencies"],
        *(one for extra in table["optional-dependencies"].values() for one in extra),
    ]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in everything}


def _rows() -> dict[str, tuple[str, str, str]]:
    """Package → (floor, tested version, reason) from the tables of 0002."""
    text = (FOLDER / "0002-dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.-]+)` \| ([\d.]+) \| ([\d.]+) \| (.+?) \|$", text, re.MULTILINE)
    return {canonicalize_name(name): (floor, tested, reason) for name, floor, tested, reason in rows}


def test_every_dependency_has_its_reason_and_nothing_else_has() -> None:
    assert set(_rows()) == set(_wanted())


# What is imported under another name; tzdata is data, which zoneinfo finds.
IMPORTED_AS = {"unleashclient": "yggdrasil_engine", "pyjwt": "jwt", "tzdata": "zoneinfo"}


@pytest.mark.parametrize("requirement", project()["project"]["dependencies"])
def test_a_dependency_at_run_time_is_used_by_a_room(requirement: str) -> None:
    name = canonicalize_name(Requirement(requirement).name)
    used = re.compile(rf"^\s*(?:import|from) {IMPORTED_AS.get(name, name)}\b", re.MULTILINE)
    rooms = [path for room in ROOMS for path in (REPO / room).rglob("*.py")]
    assert any(used.search(path.read_text(encoding="utf-8")) for path in rooms)


@pytest.mark.parametrize("name", sorted(_wanted()))
def test_a_dependencys_floor_and_tested_version_are_the_ones_in_force(name: str) -> None:
    floor, tested, reason = _rows()[name]
    assert f">={floor}" == str(_wanted()[name].specifier)
    assert tested == pins(SERVICES)[name].version
    assert len(reason) > 20
