"""What is drawn from the code's tables is not stale."""

from __future__ import annotations

from pathlib import Path

from migration.generated import BEGIN, END, pages, stale, write

ROOT = Path(__file__).parents[3]


def test_pages_and_schema_are_what_the_code_says() -> None:
    found = [str(path.relative_to(ROOT)) for path in stale(ROOT)]
    assert found == [], "run: python -m migration.generated"


def test_a_changed_page_is_noticed_and_written_anew_around_what_people_wrote(tmp_path: Path) -> None:
    docs = tmp_path / "docs" / "reference"
    docs.mkdir(parents=True)
    for name in ("stages", "plan"):
        (docs / f"{name}.md").write_text(f"# before\n{BEGIN}\nold\n{END}\nafter\n")
    assert stale(tmp_path) == list(pages(tmp_path))
    write(tmp_path)
    assert stale(tmp_path) == []
    text = (docs / "stages.md").read_text()
    assert text.startswith("# before\n")
    assert text.endswith("after\n")
    assert "old" not in text
