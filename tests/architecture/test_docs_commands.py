"""Every `strangler …` and `make …` that a page tells its reader to type exists, with the options it names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.architecture.tree import REPO, named, pages

_BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:\$ )?(?:strangler|make) [^`\n]+)`")
_PLACEHOLDER = re.compile(r"[A-Z…<\[.]")


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command line in a page's console blocks and inline code."""
    for block in _BLOCK.findall(text):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if re.match(r"(\$ )?(strangler|make) ", line):
                yield _words(line)
    for line in _INLINE.findall(_BLOCK.sub("", text)):
        yield _words(line)


def _words(line: str) -> list[str]:
    line = re.split(r"\s(?:\||&&|>|2>|&|;|#)(?:\s|$)", line.removeprefix("$ "))[0]
    return shlex.split(line)


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command line; None when nothing is."""
    if words[0] == "make":
        return _wrong_target(words[1:])
    from desk.cli.commands import cli

    return _wrong_command(cli, words[1:])


def _wrong_target(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    missing = [word for word in words if "=" not in word and not word.startswith("-") and word not in targets]
    return f"make knows no {missing}" if missing else None


def _wrong_command(command: click.Command, words: list[str]) -> str | None:
    # With the names that the real program asks for: click keeps the help option of whoever asks first.
    context = click.Context(command, info_name="strangler", help_option_names=["-h", "--help"])
    known = {
        name
        for parameter in command.get_params(context)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    rest = list(words)
    while rest:
        word = rest.pop(0).split("=")[0]
        if word.startswith("-"):
            if word not in known | {"--plan", "--help", "-h"}:
                return f"{command.name} has no {word}"
            if word == "--plan":
                rest = rest[1:]
        elif isinstance(command, click.Group) and not _PLACEHOLDER.match(word):
            below = command.commands.get(word) or _found(command, context, word)
            return _wrong_command(below, rest) if below else f"{command.name} has no command {word}"
    return None


def _found(group: click.Group, context: click.Context, word: str) -> click.Command | None:
    """A choice of commands (`plan check|show`) is right when each of them is."""
    found = [group.get_command(context, each) for each in word.split("|")]
    return found[0] if all(found) else None


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_command_in_the_page_exists(page: Path) -> None:
    told = {" ".join(words): wrong(words) for words in commands(page.read_text(encoding="utf-8"))}
    assert {line: what for line, what in told.items() if what} == {}


def test_commands_are_found_in_blocks_and_in_prose() -> None:
    text = (
        "Type `strangler status` or:\n```console\n$ strangler shift R --to 10 | cat\nstrangler is fine\n```\n"
    )
    assert next(commands(text)) == ["strangler", "shift", "R", "--to", "10"]
    assert ["strangler", "status"] in list(commands(text))


@pytest.mark.parametrize(
    "line",
    ["strangler fly", "strangler plan paint", "strangler shift R --too 10", "make coffee"],
)
def test_a_command_that_does_not_exist_would_be_seen(line: str) -> None:
    assert wrong(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "strangler --plan x.toml status",
        "strangler plan check|show",
        "strangler run NAME",
        "make check test T=x",
    ],
)
def test_a_command_that_exists_is_not_complained_about(line: str) -> None:
    assert wrong(line.split()) is None
