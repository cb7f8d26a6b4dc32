"""Typed path templates: `/api/products/{id:int}`.

A template is matched against a path that was percent-decoded once and split on `/`, never against raw
bytes, so that the facade and the servers behind it cannot be played off against each other by encodings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_SEGMENT = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*)(?::(?P<kind>[a-z]+))?\}\Z")


def _is_int(text: str) -> bool:
    # ASCII digits only: str.isdigit() accepts '²' and '٣', which the monolith's converter may not.
    return text.isascii() and text.isdigit()


def _is_str(text: str) -> bool:
    return text != ""


def _is_slug(text: str) -> bool:
    return text != "" and all(char.isalnum() or char in "-_" for char in text)


CONVERTERS: dict[str, Callable[[str], bool]] = {
    "int": _is_int,
    "str": _is_str,
    "slug": _is_slug,
    "path": _is_str,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One path segment: a literal, or a parameter with a converter."""

    literal: str | None
    name: str = ""
    kind: str = "str"

    def accepts(self, text: str) -> bool:
        """Whether the decoded segment `text` fits here."""
        return text == self.literal if self.literal is not None else CONVERTERS[self.kind](text)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template; `text` is its canonical spelling and what metrics call `http.route`."""

    text: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse `/a/{id:int}`; ValueError says what is wrong with it."""
        if not text.startswith("/"):
            raise ValueError(f"a path template starts with '/', this one is {text!r}")
        segments = tuple(_parse_segment(part, text) for part in text[1:].split("/"))
        names = [segment.name for segment in segments if segment.literal is None]
        if len(names) != len(set(names)):
            raise ValueError(f"{text!r} names a parameter twice")
        if any(segment.kind == "path" and segment.literal is None for segment in segments[:-1]):
            raise ValueError(f"in {text!r} a {{…:path}} parameter may only stand at the end")
        return cls(text, segments)

    @property
    def has_tail(self) -> bool:
        """Whether the last parameter swallows the rest of the path."""
        last = self.segments[-1]
        return last.literal is None and last.kind == "path"

    def match(self, parts: tuple[str, ...]) -> dict[str, str] | None:
        """Parameters of the decoded path segments `parts`, or None where they do not fit."""
        if self.has_tail and len(parts) > len(self.segments):
            cut = len(self.segments) - 1
            parts = (*parts[:cut], "/".join(parts[cut:]))
        if len(parts) != len(self.segments):
            return None
        if not all(segment.accepts(part) for segment, part in zip(self.segments, parts, strict=True)):
            return None
        return {
            segment.name: part
            for segment, part in zip(self.segments, parts, strict=True)
            if segment.literal is None
        }


def _parse_segment(part: str, whole: str) -> Segment:
    if "{" not in part and "}" not in part:
        return Segment(literal=part)
    found = _SEGMENT.match(part)
    if found is None:
        raise ValueError(f"{part!r} in {whole!r} is neither a literal nor '{{name:converter}}'")
    kind = found["kind"] or "str"
    if kind not in CONVERTERS:
        raise ValueError(f"unknown converter {kind!r} in {whole!r}; known: {', '.join(sorted(CONVERTERS))}")
    return Segment(literal=None, name=found["name"], kind=kind)
