"""Our objects in one side's database: made, accepted, taken away. Part of `sync.ports.Session`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from sync.core.values import Authority, Phase


class Objects(Protocol):
    """Everything of ours lies in the schema `sf`, or has the prefix `sf_`."""

    def script(self, slice_name: str, authority: Authority) -> str:
        """The statements of `install`, for a DBA: objects, grants, parameters."""
        ...

    def install(self, slice_name: str, authority: Authority) -> None:
        """Create what is missing, triggers last, under short lock timeouts; idempotent.

        `authority` is the row to begin with if there is none. Tables of ours are kept by `remove`.
        """
        ...

    def restamp(self, slice_name: str) -> None:
        """Accept the tables and triggers as they are now."""
        ...

    def remove(
        self, slice_name: str, *, everything: bool, only_while: Collection[Phase] | None = None
    ) -> Sequence[str]:
        """Drop the triggers (`everything`: all of this slice's rows and objects too); what was dropped.

        `only_while`: Overtaken, and nothing is dropped, when this side's row has another phase by then. The
        stamp goes in the transaction of that look: who closes this side after it finds that it is not whole.
        """
        ...

    def removal(self, slice_name: str, *, everything: bool) -> str:
        """The statements of `remove`, for a DBA."""
        ...

    def objects(self) -> Sequence[str]:
        """Every object of ours in this database, of any slice."""
        ...
