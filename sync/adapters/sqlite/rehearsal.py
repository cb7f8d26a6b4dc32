"""What a flip will ask of this file, done beforehand in transactions that are always rolled back.

The file has one write lock, and the applications wait for it: everything is prepared before, the rows come
some tens at a time, and a busy file is left alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from sync.adapters.sqlite.apply import Work
from sync.adapters.sqlite.blame import DATA
from sync.adapters.sqlite.rounds import Rounds
from sync.core.records import Rehearsed
from sync.core.rounds import Named
from sync.core.values import Change, Phase
from sync.errors import CannotApply, NotCaptured

_PATIENCE = 0.1  # seconds for the lock: then somebody writes for long, and is not to be crowded


class Rehearsal(Rounds):
    """`try_opening` and `rehearse`."""

    @contextlib.contextmanager
    def _rolled_back(self) -> Iterator[None]:
        self.begin(_PATIENCE)
        try:
            yield
        finally:
            self.roll_back()

    def try_opening(self, slice_name: str) -> None:
        """The writes of `swap` and of a block of integers."""
        with self._rolled_back():
            self.schema()
            if self.authority(slice_name) is None:
                raise NotCaptured(
                    f"{self.path}: capture is not installed; strangler capture install {slice_name}"
                )
            self.run("UPDATE sf_round SET epoch = epoch + 1, mark = 0 WHERE slice = ?", (slice_name,))
            self.advance_generators(slice_name)
            self.run("UPDATE sf_authority SET phase = ? WHERE slice = ?", (str(Phase.OPEN), slice_name))
            for table in ("sf_ids", "sf_reserved"):
                self.run(f"DELETE FROM {table} WHERE slice = ?", (slice_name,))  # noqa: S608 - ours

    def rehearse(self, slice_name: str, changes: Sequence[Change]) -> Rehearsed:
        """As new rows all at once; what is refused so, one by one, and once more as an update."""
        with self.reading():
            self.schema()
            works, problems = self._prepared(slice_name, changes)
        as_new, refused = dict(problems), dict(problems)
        with self._rolled_back(), self.errors:
            self.schema()
            self.run("UPDATE sf_round SET mark = 1 WHERE slice = ?", (slice_name,))
            for change, work in works:
                named = (change.entity, change.key)
                why = self._tried(work, as_new=True)
                if why:
                    as_new[named] = why
                    if again := self._tried(work, as_new=False):
                        refused[named] = again
                if not self.raw.in_transaction:  # a trigger said RAISE(ROLLBACK): our mark is gone with it
                    break
        return Rehearsed(
            len(changes), refused, {named: why for named, why in as_new.items() if named not in refused}
        )

    def _prepared(
        self, slice_name: str, changes: Sequence[Change]
    ) -> tuple[list[tuple[Change, Work]], dict[Named, str]]:
        """Encoded rows: what has no spelling here is refused before anything is locked."""
        works: list[tuple[Change, Work]] = []
        problems: dict[Named, str] = {}
        for each in changes:
            try:
                works.append((each, Work(self, slice_name, [each])))
            except CannotApply as refusal:
                problems[each.entity, each.key] = "; ".join(refusal.problems.values())
        return works, problems

    def _tried(self, work: Work, *, as_new: bool) -> str:
        """The database's answer to one row; "" when it takes it. What it did is taken back."""
        self.run("SAVEPOINT tried")
        try:
            if as_new:
                for batch in reversed(work.batches):
                    for key in batch.keys:
                        self.raw.execute(batch.table.delete, batch.table.stored_key(key))
            work.carefully()
        except CannotApply as refusal:
            return "; ".join(refusal.problems.values())
        except DATA as error:
            return str(error)
        finally:
            if self.raw.in_transaction:
                self.run("ROLLBACK TO tried")
                self.run("RELEASE tried")
        return ""
