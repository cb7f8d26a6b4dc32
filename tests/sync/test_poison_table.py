"""Every odd row of `poisons` at once, between the engines, both ways: each waits alone, and can be cured."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from sync.backfill import backfill
from sync.bootstrap import open_database
from sync.capture import install
from sync.core import keys
from sync.core.rounds import Named
from sync.core.values import Side
from sync.flip import flip
from sync.ports import Pair
from sync.relay import Sessions, sessions
from sync.repair import redrive, repair
from sync.rounds import Work, run_round
from sync.status import status
from sync.verify import verify
from tests.contract.side_databases import ROLES
from tests.sync import odd_tables, poisons
from tests.sync.odd_tables import SLICE, WHAT, key_of, name_of
from tests.sync.poisons import FLOWING, Poison

FIRST = 100  # number of the first thing that something is wrong with


def as_role(url: str, role: str) -> str:
    """The address for this role, where there are roles."""
    parsed = make_url(url)
    if role and parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(username=role)
    return parsed.render_as_string(hide_password=False)


@dataclass
class World:
    """Two databases, of one engine each."""

    engines: dict[Side, str]
    urls: dict[Side, str]

    def pair(self, *, mended: bool = False) -> Pair:
        """Both sides, with the mapping as it is or as it should be."""
        spec = odd_tables.spec(mended=mended)
        legacy, extracted = (
            open_database(as_role(url, "bank_sync"), side, {SLICE: spec}) for side, url in self.urls.items()
        )
        return Pair(spec, legacy, extracted)

    def do(self, side: Side, text: str, number: int = 0) -> None:
        """Statements as the application (and owner) of `side`."""
        names = {what: name_of(side, what) for what in WHAT}
        for statement in text.split("; "):
            filled = statement
            for name, value in names.items():
                filled = filled.replace(f"{{{name}}}", value)
            key = odd_tables.stored(self.engines[side], side, number)
            self.run(side, filled.replace("{key}", key).replace("{id}", str(number)))

    def run(self, side: Side, script: str, role: str = "bank_app") -> None:
        """Any SQL."""
        if self.engines[side] == "sqlite":
            with closing(sqlite3.connect(self.urls[side].removeprefix("sqlite:///"), timeout=10)) as line:
                line.executescript(script)
            return
        with psycopg.connect(as_role(self.urls[side], role).replace("+psycopg", ""), autocommit=True) as line:
            line.execute(script.encode())

    def fire_always(self, side: Side, text: str) -> None:
        """Let the trigger of `side` fire when a round applies, or not: SQLite's always does."""
        if self.engines[side] == "postgres":
            self.run(side, text.format(thing=name_of(side, "thing")), "bank_sync")

    def thing(self, side: Side, number: int) -> None:
        """A thing with its part, both of which are well."""
        self.do(
            side, "INSERT INTO {thing} (id, plan, tight_any, loose_any) VALUES ({key}, 'plain', 1, 1)", number
        )
        self.do(side, "INSERT INTO {part} VALUES ({key}, {key}, 'of it')", number)


def _open(engines: tuple[str, str], folder: Path, database: Callable[[], str] | None) -> World:
    chosen = dict(zip(Side, engines, strict=True))
    urls = {}
    for side, engine in chosen.items():
        if engine == "postgres":
            assert database is not None
            urls[side] = database()
        else:
            urls[side] = f"sqlite:///{folder / side.value}.db"
            with closing(sqlite3.connect(folder / f"{side.value}.db")) as line:
                line.execute("PRAGMA journal_mode = wal")
    world = World(chosen, urls)
    for side, engine in chosen.items():
        world.run(side, (ROLES if engine == "postgres" else "") + odd_tables.tables(engine, side), "")
    for number in (1, 2):
        world.thing(Side.LEGACY, number)
    with sessions(world.pair(), "desk") as both:
        install(both)
        backfill(both.lane(), lambda *_: None, lambda _: False)
    return world


def _settle(both: Sessions) -> None:
    for _ in range(50):
        if not run_round(both.lane(), Work()).marks:
            return
    raise AssertionError("the outbox does not become empty")


def _concerned(world: World, source: Side) -> Iterator[tuple[int, str, Poison, bool]]:
    """Number, name, poison, and whether it is one between these engines; what has no way in is left out."""
    here, there = world.engines[source], world.engines[source.other]
    for number, (name, poison) in enumerate(
        poisons.poisons().items(), FIRST if source is Side.LEGACY else 2 * FIRST
    ):
        concerns = _concerns(name, poison, here, there, source)
        if (
            poison.born in ("", here)
            and poison.only in (None, source)
            and (concerns or name in poisons.STORED)
        ):
            yield number, name, poison, concerns


def _concerns(name: str, poison: Poison, here: str, there: str, source: Side) -> bool:
    if name == "mapping: key: text":  # CHAR(32) of SQLite's service takes it: it is a key like any other
        return source is Side.EXTRACTED or there == "postgres"
    if name == "mapping: key: beyond its column":
        return source is Side.LEGACY or there == "postgres"
    return poison.concerns(here, there)


def _names(source: Side, number: int, poison: Poison) -> set[Named]:
    if poison.odd_key:
        return {("tag", keys.parse(f'{{"odd":{poison.odd_key}}}'))}
    return {
        (what, (poison.named,) if poison.named and what != "step" else key_of(source, number))
        for what in poison.held
    }


def _plays(world: World, source: Side) -> list[str]:
    """Plant everything, look, cure, look again; what was wrong."""
    cases = list(_concerned(world, source))
    wrong: list[str] = []
    with sessions(world.pair(), "relay") as both:
        assert both.direction().source is source
        world.do(source, "UPDATE {thing} SET loose_slot = 1 WHERE id = {key}", 1)
        for number, _, poison, _ in cases:
            if not poison.bare:
                world.thing(source, number)
            world.do(source, poison.plant, number)
        for number, plan in enumerate(FLOWING, 10 if source is Side.LEGACY else 20):
            world.thing(source, number)
            world.do(
                source, f"UPDATE {{thing}} SET plan = '{plan}', note = '{plan}' WHERE id = {{key}}", number
            )
        world.do(source, "UPDATE {thing} SET note = 'flows' WHERE id = {key}", 2)
        _settle(both)
        expected = {
            each: (name, poison.says)
            for number, name, poison, on in cases
            if on
            for each in _names(source, number, poison)
        }
        held = {(each.entity, each.key): each for one in status(both).entities for each in one.held}
        wrong += [f"{expected[name][0]}: {name} does not wait" for name in expected.keys() - held.keys()]
        wrong += [
            f"{name} waits: {held[name].error or held[name].waits_for}"
            for name in held.keys() - expected.keys()
        ]
        for name in expected.keys() & held.keys():
            error, says = held[name].error, expected[name][1]
            if not error and not held[name].waits_for:
                wrong.append(f"{expected[name][0]}: {name} waits, and nobody knows why")
            if error and says and not re.search(says, error):
                wrong.append(f"{expected[name][0]}: {error!r} does not say {says}")
        wrong += [f"verify cries wolf: {each}" for each in verify(both.lane()).found]
        world.do(source, "UPDATE {thing} SET note = 'still flows' WHERE id = {key}", 2)
        _settle(both)
        wrong += _hidden(world, both, {name for name, each in held.items() if each.error})
        if len(both.lane().follower.held(SLICE)) != len(held):
            wrong.append("quarantine is not what it was")
    return wrong + _cured(world, source, cases)


def _hidden(world: World, both: Sessions, culprits: set[Named]) -> list[str]:
    """Without quarantine verify has to find them by itself; then they wait again."""
    lane = both.lane()
    held = [(each.entity, each.key) for each in lane.follower.held(SLICE)]
    follower = lane.source.other
    ours = "sf_" if world.engines[follower] == "sqlite" else "sf."
    world.run(follower, f"DELETE FROM {ours}quarantine", "bank_sync")
    found = {(each.entity, each.key) for each in verify(lane).found}
    alone = {each for each in culprits if _is_alone(both, each)}
    run_round(lane, Work(keys=[each for each in held if each not in alone]))
    world.do(lane.source, "UPDATE {remark} SET remark = 'still alone'")
    _settle(both)
    peers = {each: _peer(both, each) for each in culprits}
    return [
        f"verify hides {each}" for each in culprits - alone if each not in found and peers[each] not in found
    ]


def _is_alone(both: Sessions, name: Named) -> bool:
    """Whether it is what is left of a thing that is not there: no entity, for verify."""
    lane = both.lane()
    with lane.authority.snapshot(SLICE) as view:
        return not view.existing(name[0], [name[1]])


def _peer(both: Sessions, name: Named) -> Named:
    return name[0], (key_of(both.lane().source.other, 1))  # what has another's key differs there


def _cured(world: World, source: Side, cases: list[tuple[int, str, Poison, bool]]) -> list[str]:
    wrong: list[str] = []
    with sessions(world.pair(mended=True), "relay") as both:
        for number, _, poison, on in cases:
            if on and poison.cure:
                world.do(source, poison.cure, number)
        _settle(both)
        redrive(both.lane())
        _settle(both)
        wrong += [f"not cured: {each}" for each in both.lane().follower.held(SLICE)]
        repair(both.lane(), both.lane().follower.mismatches(SLICE))  # told of while quarantine was away
        world.run(source, f"UPDATE {name_of(source, 'thing')} SET plan = 'plain'")
        _settle(both)
        wrong += [f"not equal: {each}" for each in verify(both.lane()).found]
        counts = [[both.on(side).count(name_of(side, what)) for what in WHAT] for side in Side]
        if counts[0] != counts[1]:
            wrong.append(f"not as many: {counts}")
    return wrong


def _both_ways(world: World) -> None:
    world.fire_always(Side.EXTRACTED, odd_tables.ALWAYS)
    _nothing(_plays(world, Side.LEGACY))
    world.fire_always(Side.EXTRACTED, odd_tables.NOT_ALWAYS)
    with sessions(world.pair(mended=True), "flipper") as both:
        assert flip(both, Side.EXTRACTED, unverified=True).moved
    world.fire_always(Side.LEGACY, odd_tables.ALWAYS)
    _nothing(_plays(world, Side.EXTRACTED))


def _nothing(wrong: list[str]) -> None:
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.slow
def test_each_odd_row_waits_alone_on_sqlite(tmp_path: Path) -> None:
    _both_ways(_open(("sqlite", "sqlite"), tmp_path, None))


@pytest.mark.services
@pytest.mark.parametrize("engines", [("postgres", "postgres"), ("sqlite", "postgres")], ids="-".join)
def test_each_odd_row_waits_alone_with_postgresql(
    engines: tuple[str, str], tmp_path: Path, postgres_database: Callable[[], str]
) -> None:
    _both_ways(_open(engines, tmp_path, postgres_database))
