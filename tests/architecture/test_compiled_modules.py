"""The tables of `make compiled`: whole, true, and with a reason for each exception."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import REPO, ROOMS, named
from tools.compiled_modules import COMPILED, INTERPRETED


def _files(pattern: str) -> set[str]:
    return {named(path) for path in REPO.glob(pattern) if path.name != "__init__.py"}


def _imported(path: Path) -> Iterator[str]:
    """The files of rooms that a module imports when it runs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ROOMS:
            for one in node.names:
                for module in (f"{node.module}.{one.name}", node.module):
                    file = REPO / f"{module.replace('.', '/')}.py"
                    if file.is_file():
                        yield named(file)
                        break


def test_every_module_of_the_tables_exists() -> None:
    assert [file for file in (*COMPILED, *INTERPRETED) if not (REPO / file).is_file()] == []


def test_no_module_is_in_both_tables_or_in_one_twice() -> None:
    assert sorted({*COMPILED, *INTERPRETED}) == sorted([*COMPILED, *INTERPRETED])


@pytest.mark.parametrize("pattern", ["facade/core/http1/*.py", "facade/core/*.py"])
def test_no_rule_of_the_facade_is_forgotten(pattern: str) -> None:
    assert _files(pattern) - {*COMPILED, *INTERPRETED} == set()


@pytest.mark.parametrize("file", COMPILED)
def test_what_a_compiled_module_imports_is_compiled_or_says_why_not(file: str) -> None:
    assert set(_imported(REPO / file)) - {*COMPILED, *INTERPRETED} == set()


def test_the_request_flow_is_among_them() -> None:
    """From the bytes of a client to those of a backend and back, by what imports what."""
    flow, found = ["facade/adapters/server.py", "facade/proxy.py", "facade/adapters/pool.py"], set[str]()
    while flow:
        file = flow.pop()
        if file not in found:
            found.add(file)
            flow += _imported(REPO / file)
    assert len(found) > 40
    assert {file for file in found if file.startswith("facade/")} - {*COMPILED, *INTERPRETED} == set()


@pytest.mark.parametrize("file", COMPILED)
def test_no_function_has_one_name_for_errors_of_two_kinds(file: str) -> None:
    """mypyc takes the first one's type for both: the second error becomes a TypeError, and is nobody's."""
    found = []
    for node in ast.walk(ast.parse((REPO / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            handlers = [one for one in ast.walk(node) if isinstance(one, ast.ExceptHandler) and one.name]
            kinds = {(one.name, ast.unparse(one.type)) for one in handlers if one.type is not None}
            found += [node.name] if len({name for name, _ in kinds}) < len(kinds) else []
    assert found == []


@pytest.mark.parametrize("file", COMPILED)
def test_no_module_looks_into_the_dict_of_an_object(file: str) -> None:
    text = (REPO / file).read_text(encoding="utf-8")
    assert [word for word in ("vars(", "__dict__", "cached_property") if word in text] == []


@pytest.mark.parametrize("file", INTERPRETED)
def test_an_exception_has_a_reason_and_is_one(file: str) -> None:
    rules = _files("facade/core/*.py")
    assert len(INTERPRETED[file]) > 20
    assert file in rules | {one for other in COMPILED for one in _imported(REPO / other)}
