"""What holds a rule, and how to take exactly that out of a facade: some text of a module, and other text."""

from __future__ import annotations

from dataclasses import dataclass

Change = tuple[str, str, str]  # a module, its text, what stands there instead


@dataclass(frozen=True)
class Removal:
    """What is taken out of what holds a rule."""

    rule: str
    about: str
    changes: tuple[Change, ...]


def without(rule: str, about: str, module: str, *texts: str) -> Removal:
    """One module's removal; `texts`: what stands there and what instead, by turns."""
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return Removal(rule, about, tuple((module, old, new) for old, new in pairs))


def both(rule: str, about: str, *removals: Removal) -> Removal:
    """What holds the same thing twice, in several modules."""
    return Removal(rule, about, tuple(change for removal in removals for change in removal.changes))


_LENIENT = (
    "    parser.set_dangerous_leniencies(lenient_headers=True, lenient_optional_lf_after_cr=True,"
    " lenient_optional_cr_before_lf=True, lenient_chunked_length=True, lenient_transfer_encoding=True)\n"
)


def lenient(parser: str) -> Removal:
    """llhttp without its strictness."""
    made = f"    parser = httptools.{parser}(recorder)\n"
    return without("", "", "facade.core.http1.head", made, made + _LENIENT)
