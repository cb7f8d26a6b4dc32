"""Three accounts of the same requests, and what may not differ between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.hostile.real_servers import Seen

KEPT = 2000  # how many decisions the facade keeps


@dataclass(frozen=True)
class Decided:
    """A line of /decisions, as far as it matters here."""

    id: str
    method: str
    outcome: str
    status: str = "200"


class Decisions:
    """All decisions of a facade that keeps the last ones only: it is asked often, and pages overlap."""

    def __init__(self, ask: Callable[[], str]) -> None:
        """`ask` gives the page /decisions."""
        self._ask = ask
        self._last: list[str] = []
        self.all: list[Decided] = []

    def read(self) -> int:
        """Take what is new, and return how many those were; AssertionError when some were missed."""
        page = self._ask().splitlines()
        new = page[overlap(self._last, page) :]
        assert len(new) < KEPT, "decisions were missed: read more often"
        self._last = page
        self.all += [_decided(line) for line in new]
        return len(new)


def overlap(before: Sequence[str], after: Sequence[str]) -> int:
    """How many of the first lines of `after` are the last ones of `before`."""
    for length in range(min(len(before), len(after)), 0, -1):
        if list(before[-length:]) == list(after[:length]):
            return length
    return 0


def _decided(line: str) -> Decided:
    words = line.split(" ")
    return Decided(words[0], words[1], words[5], words[4])


def unpaired(decided: Sequence[Decided], crossed: Counter[Seen], logged: Counter[Seen]) -> Iterator[str]:
    """What one account knows and another does not, each as a sentence.

    An application may have been spared a request that crossed the wire while its client hung up, or that its
    server refused by itself (it says 400 or so); one that was answered as it answers it must have got, once.
    """
    for seen in (logged - crossed).elements():
        yield f"the application got what nobody sent to it: {seen}"
    forwarded = Counter((one.id, one.method) for one in decided if one.outcome != "refused")
    answered = Counter(
        (one.id, one.method) for one in decided if one.outcome == "answered" and one.status == "200"
    )
    of_wire, of_application = _named(crossed), _named(logged)
    for name in (of_wire - forwarded).elements():
        yield f"crossed the wire without a decision to forward it: {name}"
    for name in (answered - of_application).elements():
        yield f"was answered, but the application never got it: {name}"


def _named(account: Counter[Seen]) -> Counter[tuple[str, str]]:
    names = Counter[tuple[str, str]]()
    for seen, times in account.items():
        names[seen.id, seen.method] += times
    return names
