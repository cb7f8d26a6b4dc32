"""`python -m tools.docs` writes every page that is drawn from the code; a test says when one is stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bench.facade.table import page as performance_page
from bench.sync import table as sync_table
from desk.cli.commands import cli
from migration import generated
from tools.flip_page import flip_page
from tools.reference import metrics_page, report_page

REPO = Path(__file__).resolve().parents[1]
_HEAD = """# The command line

Written by `make docs` from the commands themselves. What a command is for is told in the
[walkthrough](../walkthrough/README.md) and the [how-tos](../howto/README.md).
"""


def pages(root: Path) -> Mapping[Path, str]:
    """Each generated file of the checkout at `root` with the text it should have."""
    folder = root / "docs" / "reference"
    return {
        **generated.pages(root),
        folder / "cli.md": command_line(),
        folder / "flip.md": flip_page(),
        folder / "report.md": report_page(),
        folder / "metrics.md": metrics_page(root),
        folder / "performance.md": sync_table.fill(root, performance_page(root)),
    }


def command_line() -> str:
    """The help of every command, in the order of `strangler --help`."""
    # With the settings of a real call: click keeps the help option of whoever asked a command first.
    settings = {**cli.context_settings, "terminal_width": 100, "max_content_width": 100}
    root = click.Context(cli, info_name="strangler", **settings)
    return "\n".join([_HEAD, *_helps(root)])


def _helps(context: click.Context) -> Iterator[str]:
    command = context.command
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _helps(click.Context(below, info_name=name, parent=context))


def main() -> None:
    """Write them all, say which."""
    for path, text in pages(REPO).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path.relative_to(REPO)}")


if __name__ == "__main__":
    main()
