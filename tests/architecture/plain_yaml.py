"""The part of YAML that docker-compose.yml is written in; anything else is an error, not a guess.

Block mappings and lists, JSON for flow values and quoted texts, plain texts, anchors (`&`, `*`, `<<`),
whole-line comments. (No YAML package is among the dependencies: the plan is TOML.)
"""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"([\w./-]+|<<):(?: (.*))?$")


class _Reader:
    def __init__(self, text: str) -> None:
        lines = [line.rstrip() for line in text.splitlines()]
        self.lines = [line for line in lines if line and not line.lstrip().startswith("#")]
        self.anchors: dict[str, Any] = {}

    def depth(self) -> int:
        """The indentation of the next line, -1 at the end."""
        return len(self.lines[0]) - len(self.lines[0].lstrip()) if self.lines else -1

    def block(self) -> Any:
        depth = self.depth()
        return self.items(depth) if self.lines[0].lstrip().startswith("- ") else self.mapping(depth)

    def items(self, depth: int) -> list[Any]:
        found = []
        while self.depth() == depth:
            found.append(self.scalar(self.lines.pop(0).strip().removeprefix("- ")))
        return found

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while self.depth() == depth:
            line = self.lines.pop(0).strip()
            match = _KEY.fullmatch(line)
            if match is None:
                raise ValueError(f"not understood: {line!r}")
            key, rest = match.group(1), match.group(2) or ""
            if key in found:
                raise ValueError(f"twice: {line!r}")
            value = self.value(rest, depth)
            if key == "<<":
                merged.update(value)
            else:
                found[key] = value
        return merged | found

    def value(self, rest: str, depth: int) -> Any:
        anchor = re.fullmatch(r"&(\w+)", rest)
        if rest and not anchor:
            return self.scalar(rest)
        value = self.block() if self.depth() > depth else None
        if anchor:
            self.anchors[anchor.group(1)] = value
        return value

    def scalar(self, text: str) -> Any:
        if text.startswith("*"):
            return self.anchors[text[1:]]
        if text[0] in '"[{':
            return json.loads(text)
        if re.search(r"[&*!|>%@`]|: | #", text[0]) or ": " in text or " #" in text:
            raise ValueError(f"not understood: {text!r}")
        return text


def load(text: str) -> Any:
    """The document; ValueError for what is not understood."""
    reader = _Reader(text)
    document = reader.mapping(0)
    if reader.lines:
        raise ValueError(f"not understood: {reader.lines[0]!r}")
    return document
