"""Where in a TOML text each key stands: the standard library's parser tells no lines.

The text has been accepted by `tomllib`, so this scanner trusts its grammar: it only has to find keys and to
step over values. Paths are tuples of keys and, for arrays, indices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# The four kinds of strings, the long ones first; up to two quotes may stand right before the closing three.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, from 1 on, of each key and each table of a valid TOML text."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest thing around it; 1 for the document."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Path, int] = {}
        self._counted, self._line = 0, 1
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Path:
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        path = self._resolved(self._key())
        self.at += brackets
        if brackets == 2:
            self._arrays[path] = self._arrays.get(path, -1) + 1
            path = (*path, self._arrays[path])
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], self._line)
        return path

    def _resolved(self, key: Path) -> Path:
        """A header names the last element of each array of tables on its way."""
        path: Path = ()
        for part in key[:-1]:
            path = (*path, part)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return (*path, key[-1])

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            self._count()
            found = _BARE.match(self.text, self.at) or _STRING.match(self.text, self.at)
            if found is None:  # no valid TOML comes here; stop rather than run on
                self.at = len(self.text)
                return tuple(parts) or ("",)
            parts.append(found[0].strip("\"'"))
            self.at = found.end()
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _pair(self, table: Path) -> None:
        path: Path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, self._line)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        if self.text.startswith("{", self.at):
            self._group(path, "}", keyed=True)
        elif self.text.startswith("[", self.at):
            self._group(path, "]", keyed=False)
        else:
            self._skip(_STRING if self.text[self.at : self.at + 1] in ("'", '"') else _SCALAR)

    def _group(self, path: Path, end: str, *, keyed: bool) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text) or self.text.startswith(end, self.at):
                self.at += 1
                return
            if self.text.startswith(",", self.at):
                self.at += 1
            elif keyed:
                self._pair(path)
            else:
                self._count()
                self.lines.setdefault((*path, index), self._line)
                self._value((*path, index))
                index += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found is not None else self.at + 1

    def _count(self) -> None:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
