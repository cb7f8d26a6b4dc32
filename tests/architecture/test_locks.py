"""What `make install` fetches is pinned, hashed, and named by no index of anybody's."""

from __future__ import annotations

import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.locks import MAIN, SERVICES, pins
from tests.architecture.tree import REPO, project

EXTRAS = {MAIN: ("postgres", "samples", "dev"), SERVICES: ("postgres", "samples", "dev", "services")}


@pytest.mark.parametrize("lock", [MAIN, SERVICES])
def test_every_package_is_pinned_to_one_version_with_hashes(lock: str) -> None:
    loose = [
        name
        for name, pin in pins(lock).items()
        if [one.operator for one in pin.requirement.specifier] != ["=="]
        or not pin.hashes
        or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in pin.hashes)
    ]
    assert loose == []


@pytest.mark.parametrize("lock", [MAIN, SERVICES])
def test_every_dependency_of_the_project_is_locked_at_a_version_it_allows(lock: str) -> None:
    table = project()["project"]
    wanted = [
        *table["dependencies"],
        *(one for extra in EXTRAS[lock] for one in table["optional-dependencies"][extra]),
    ]
    locked = pins(lock)
    wrong = [
        text
        for text in wanted
        if (name := canonicalize_name(Requirement(text).name)) not in locked
        or not Requirement(text).specifier.contains(locked[name].version)
    ]
    assert wrong == []


def test_the_servers_lock_adds_to_the_main_one_and_changes_nothing_in_it() -> None:
    main, services = pins(MAIN), pins(SERVICES)
    assert {name: pin.version for name, pin in main.items()} == {
        name: pin.version for name, pin in services.items() if name in main
    }


@pytest.mark.parametrize("name", [MAIN, SERVICES, "tools/unleash/package-lock.json"])
def test_no_lock_names_an_index(name: str) -> None:
    text = (REPO / name).read_text(encoding="utf-8")
    assert not re.search(r"--index-url|--extra-index-url|--find-links|\"resolved\"", text)
    if name.endswith(".lock"):
        assert "://" not in text


def test_the_unleash_lock_pins_the_server_that_package_json_names() -> None:
    folder = REPO / "tools" / "unleash"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    unhashed = [
        name for name, entry in lock.items() if name and not entry.get("link") and "integrity" not in entry
    ]
    assert unhashed == []
