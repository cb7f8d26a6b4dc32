"""The names of the conversions a mapped column may declare.

What they do to a value is sync's business (`sync.core.conversions`); their names live here so that
`plan check` can refuse a misspelt one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from migration.core.plan_key import check_name
from migration.core.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion does; `argument` is what stands behind the colon, "" where nothing may."""

    doc: str
    argument: str = ""


CONVERSIONS: Mapping[str, Conversion] = MappingProxyType(
    {
        "same": Conversion("the value as it is; the default"),
        "cents": Conversion("an amount (19.99) on the legacy side is whole hundredths (1999) on the other"),
        "decimal": Conversion("a float on the legacy side is the decimal number it is spelled as"),
        "instant": Conversion(
            "local time without a zone on the legacy side is an instant in UTC; the hour that the autumn "
            "repeats is its first run, and the second one is refused on its way back",
            "ZONE",
        ),
        "uuid": Conversion(
            "a whole number on the legacy side is a UUID (version 8) that holds it; each KIND has its own",
            "KIND",
        ),
        "json": Conversion("JSON in a text column on the legacy side is a JSON value"),
        "list": Conversion("texts joined by commas on the legacy side are a JSON list"),
    }
)
"""Each conversion by the name it is declared with."""


def conversion_problem(text: str, zone_exists: Callable[[str], bool]) -> str | None:
    """What is wrong with a declared conversion, or None: `same`, `instant:Europe/Berlin`."""
    name, colon, argument = text.partition(":")
    known = CONVERSIONS.get(name)
    if known is None:
        return f"{name!r} is no conversion; {did_you_mean(name, CONVERSIONS)}"
    if not known.argument:
        return f"{name!r} takes nothing behind a colon; write {name}" if colon else None
    if not argument:
        return f"{name!r} needs its {known.argument}; write {name}:{known.argument}"
    if name == "instant" and not zone_exists(argument):
        return f"no time zone {argument!r}; write one as in instant:Europe/Berlin"
    return _kind_problem(argument) if name == "uuid" else None


def _kind_problem(kind: str) -> str | None:
    try:
        check_name(kind)
    except ValueError as error:
        return str(error)
    return None
