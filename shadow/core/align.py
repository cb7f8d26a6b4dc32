"""The picture of one difference: old | new, line by line, its neighbourhood opened, everything redacted."""

from __future__ import annotations

import orjson

from shadow.core.differences import MISSING, Difference
from shadow.core.json_text import Json, NumberText
from shadow.core.paths import Path
from shadow.core.redact import Redactor
from shadow.core.report import AlignedRow

_SIBLINGS = 6  # lines around a difference; the rest is folded
_LONGEST = 160  # characters of one value
_NARROWEST = 4  # characters of room below which nothing nested is opened: it halves with each level
_READ = 8192  # characters of a text that are looked at: what is shown of it is far shorter


def align(old: Json, new: Json, difference: Difference, redactor: Redactor) -> tuple[AlignedRow, ...]:
    """The lines around `difference` in both values."""
    rows: list[AlignedRow] = []
    _Aligner(rows, redactor).open("", old, new, difference.old_path, difference.new_path, (), 0)
    return tuple(rows)


class _Aligner:
    def __init__(self, rows: list[AlignedRow], redactor: Redactor) -> None:
        self._rows = rows
        self._redactor = redactor

    def open(
        self, label: str, old: Json, new: Json, old_rest: Path, new_rest: Path, path: Path, indent: int
    ) -> None:
        """Open the node on the way to the difference, or show it."""
        if not old_rest and not new_rest:
            self._changed(label, old, new, path, indent)
        elif isinstance(old, dict) and isinstance(new, dict):
            self._object(label, old, new, old_rest, new_rest, path, indent)
        elif isinstance(old, list) and isinstance(new, list):
            self._array(label, old, new, old_rest, new_rest, path, indent)
        else:
            self._changed(label, old, new, path, indent)

    def _object(
        self,
        label: str,
        old: dict[str, Json],
        new: dict[str, Json],
        old_rest: Path,
        new_rest: Path,
        path: Path,
        indent: int,
    ) -> None:
        focus = (old_rest or new_rest)[0]
        self._row(indent, label, "{", "{", "same")
        keys = list(dict.fromkeys((*old, *new)))
        shown = _around(keys, str(focus))
        hidden_before = keys.index(shown[0]) if shown else 0
        self._fold(indent + 1, hidden_before, "key")
        for key in shown:
            left, right = old.get(key, MISSING), new.get(key, MISSING)
            if key == focus:
                self.open(self._name(key), left, right, old_rest[1:], new_rest[1:], (*path, key), indent + 1)
            else:
                self._sibling(self._name(key), left, right, (*path, key), indent + 1)
        self._fold(indent + 1, len(keys) - hidden_before - len(shown), "key")
        self._row(indent, "", "}", "}", "same")

    def _array(
        self,
        label: str,
        old: list[Json],
        new: list[Json],
        old_rest: Path,
        new_rest: Path,
        path: Path,
        indent: int,
    ) -> None:
        left, right = _index(old_rest), _index(new_rest)
        before = max(index for index in (left, right, 0) if index is not None)
        self._row(indent, label, "[", "[", "same")
        self._fold(indent + 1, before, "item")
        name = " | ".join(dict.fromkeys(f"[{index}]" for index in (left, right) if index is not None)) + " "
        self.open(
            name, _item(old, left), _item(new, right), old_rest[1:], new_rest[1:], (*path, 0), indent + 1
        )
        self._fold(indent + 1, max(len(old), len(new)) - before - 1, "item")
        self._row(indent, "", "]", "]", "same")

    def _changed(self, label: str, old: Json, new: Json, path: Path, indent: int) -> None:
        mark = "new" if old is MISSING else "old" if new is MISSING else "changed"
        self._row(indent, label, self._text(old, path), self._text(new, path), mark)

    def _sibling(self, label: str, old: Json, new: Json, path: Path, indent: int) -> None:
        left, right = self._text(old, path, folded=True), self._text(new, path, folded=True)
        mark = "same" if left == right else "new" if left is None else "old" if right is None else "changed"
        self._row(indent, label, left, right, mark)

    def _fold(self, indent: int, count: int, what: str) -> None:
        if count > 0:
            text = f"… {count} more {what}{'' if count == 1 else 's'}"
            self._row(indent, "", text, text, "fold")

    def _row(self, indent: int, label: str, old: str | None, new: str | None, mark: str) -> None:
        self._rows.append(AlignedRow(indent, label[:_LONGEST], old, new, mark))

    def _text(self, value: Json, path: Path, folded: bool = False) -> str | None:
        if value is MISSING:
            return None
        if isinstance(value, dict | list) and (folded or not value):
            return _folded(value)
        return self._preview(value, path)[: _LONGEST + 1]

    def _preview(self, value: Json, path: Path, room: int = _LONGEST) -> str:
        if room < _NARROWEST and isinstance(value, dict | list):
            return _folded(value)
        if isinstance(value, dict):
            parts: list[str] = []
            for key, item in value.items():
                parts.append(f"{self._name(key)}{self._preview(item, (*path, key), room // 2)}")
                if sum(map(len, parts)) > room and len(parts) < len(value):
                    return "{" + ", ".join(parts) + ", …}"
            return "{" + ", ".join(parts) + "}"
        if isinstance(value, list):
            items = [self._preview(item, (*path, 0), room // 2) for item in value[:4]]
            return "[" + ", ".join(items) + (f", … {len(value) - 4} more]" if len(value) > 4 else "]")
        if isinstance(value, str) and len(value) > _READ:
            value = type(value)(value[:_READ])
        return _scalar(self._redactor.value(value, path))

    def _name(self, key: str) -> str:
        return f"{orjson.dumps(self._redactor.text(key[:_READ])[:_LONGEST]).decode()}: "


def _around(keys: list[str], focus: str) -> list[str]:
    at = keys.index(focus)
    start = max(0, min(at - _SIBLINGS // 2, len(keys) - _SIBLINGS - 1))
    return keys[start : start + _SIBLINGS + 1]


def _index(rest: Path) -> int | None:
    return rest[0] if rest and isinstance(rest[0], int) else None


def _item(items: list[Json], index: int | None) -> Json:
    return MISSING if index is None else items[index]


def _folded(value: Json) -> str:
    if isinstance(value, dict):
        return f"{{… {len(value)} key{'' if len(value) == 1 else 's'}}}" if value else "{}"
    return f"[… {len(value)} item{'' if len(value) == 1 else 's'}]" if value else "[]"


def _scalar(value: Json) -> str:
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, str):
        value = str(value)
        value = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return orjson.dumps(value).decode()
