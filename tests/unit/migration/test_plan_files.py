"""Several files: includes, problems across them, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.errors import PlanError
from migration.plan_file import load_plan, load_with_texts, plan_of_texts
from tests.unit.migration.migration_builders import a_plan, write_plan
from tests.unit.migration.plan_texts import HEAD, ROUTE, SLICE, problems


def test_every_problem_is_told_at_once_in_order_with_files_and_lines(tmp_path: Path) -> None:
    text = 'include = ["*/b.toml"]\n[legacy]\nurl = "x"\ntimeout = 5\n[services.s]\nurl = "http://s"\n'
    other = '[legacy]\nurl = "http://b"\n[slices.b]\nowner = 1\ndata = "import"\n[slces]\n'
    found = problems(tmp_path, text, sub__b=other)
    assert [line.split(": ")[0] for line in found] == [
        "plan.toml:3",
        "plan.toml:4",
        "sub/b.toml:1",
        "sub/b.toml:4",
        "sub/b.toml:6",
    ]


def test_a_plan_is_made_again_of_the_texts_that_were_read_whatever_the_disk_holds(tmp_path: Path) -> None:
    text = f'include = ["parts/*.toml"]\n{HEAD}{SLICE}{ROUTE}'
    path = write_plan(tmp_path, text, parts__b=SLICE.replace("catalog]", "other]"))
    plan, texts = load_with_texts(path, {})
    assert [name for name, _ in texts] == ["plan.toml", "parts/b.toml"]
    path.write_text("no plan at all", "utf-8")
    assert plan_of_texts(Path(plan.path), texts, {}) == plan
    with pytest.raises(PlanError, match=r"b\.toml"):
        plan_of_texts(Path(plan.path), [*texts, ("b.toml", "[")], {})


def test_a_slice_in_two_files_is_a_problem(tmp_path: Path) -> None:
    text = f'include = ["b.toml"]\n{HEAD}{SLICE}'
    assert problems(tmp_path, text, b=SLICE) == [
        "b.toml:1: slices.catalog is also in plan.toml; keep one of them"
    ]


def test_the_same_template_in_two_slices_is_a_problem(tmp_path: Path) -> None:
    other = (SLICE + ROUTE).replace("slices.catalog", "slices.b")
    found = problems(tmp_path, f'include = ["b.toml"]\n{HEAD}{SLICE}{ROUTE}', b=other)
    assert found == ["b.toml:7: GET /a matches what catalog.a matches; keep one of them"]


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ('["../x.toml"]', "leaves the plan's directory"),
        ('["/etc/*.toml"]', "leaves the plan's directory"),
        ('["a/../../x.toml"]', "leaves the plan's directory"),
        ('[""]', "include: needs a text"),
        ('["missing.toml"]', "is no file"),
        ('["link.toml"]', "follows a link out of the directory"),
        ("5", "include: needs a list"),
        ("[5]", "include: needs a text"),
        ('["broken.toml"]', "broken.toml:2: is no TOML"),
        ('["binary.toml"]', "binary.toml:2: is not UTF-8"),
    ],
)
def test_a_bad_include_is_told(tmp_path: Path, include: str, words: str) -> None:
    folder = tmp_path / "plan"
    (tmp_path / "x.toml").write_text("")
    path = write_plan(folder, f"include = {include}\n{HEAD}", broken="\nx = ")
    (folder / "binary.toml").write_bytes(b"a = 1\n# \xff\n")
    (folder / "link.toml").symlink_to(tmp_path / "x.toml")
    with pytest.raises(PlanError) as caught:
        load_plan(path, {})
    assert len(caught.value.problems) == 1, caught.value.problems
    assert words in str(caught.value)


def test_globs_that_match_nothing_or_the_plan_itself_are_fine(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, f'include = ["slices/*.toml", "*.toml", "plan.toml"]\n{HEAD}')
    assert dict(plan.slices) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: no such file"),
        (b"a = '\xff'", "plan.toml:1: is not UTF-8"),
        (b"# " + b"x" * (8 * 1024 * 1024), "is larger than"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=words):
        load_plan(path, {})


def test_a_directory_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read: is a directory"):
        load_plan(tmp_path, {})


def test_no_secret_of_the_environment_is_repeated_in_a_message(tmp_path: Path) -> None:
    env = {"DB": "mysql://u:geheim@h/x", "URL": "http://u:geheim@h", "TOKEN": "geheim\n"}
    text = '[legacy]\nurl = "env:URL"\n[ledger]\nurl = "env:DB"\n[facade]\nadmin_token = "env:TOKEN"\n'
    found = problems(tmp_path, text, env)
    assert len(found) == 3
    assert "geheim" not in "\n".join(found)
