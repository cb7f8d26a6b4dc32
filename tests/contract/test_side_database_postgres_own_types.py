"""Enums and domains of a database's own: carried as what they are made of, and their refusals are a row's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from sync.core.records import Settled
from sync.core.values import Change, Key
from sync.errors import CannotApply
from tests.contract.side_databases import open_banks
from tests.contract.test_side_database_postgres_values import Pair, spec_of

pytestmark = pytest.mark.services
TYPES = """CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE COLLATION blunt (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SET ROLE bank_owner; CREATE TYPE kind AS ENUM ('low', 'high');
CREATE DOMAIN number AS bigint CHECK (VALUE < 100); CREATE DOMAIN short AS varchar(6);
CREATE DOMAIN shorter AS short CHECK (VALUE <> 'none'); CREATE DOMAIN price AS numeric(6, 2);
CREATE DOMAIN document AS jsonb NOT NULL; CREATE DOMAIN plain AS json; CREATE DOMAIN digits AS char(32);
CREATE DOMAIN flag AS boolean; CREATE DOMAIN moment AS timestamptz; CREATE DOMAIN bytes AS bytea"""


@pytest.fixture
def open_pair(postgres_database: Any, tmp_path: Any) -> Iterator[Callable[..., Pair]]:
    """Two databases with those types and the table `things` of these columns."""
    made: list[Pair] = []

    def opened(columns: str, key: tuple[str, ...] = ("id",), names: tuple[str, ...] = ("id", "v")) -> Pair:
        banks = open_banks("postgres", tmp_path, postgres_database)
        urls = (banks.legacy.url, banks.extracted.url)
        for url in urls:
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as line:
                line.execute(TYPES.encode())
        made.append(Pair(urls, spec_of(key, names), columns))
        return made[0]

    yield opened
    for each in made:
        each.close()


VALUES = {
    "kind": ("'low'", "'high'"),
    "kind[]": ("'{low,high,NULL}'", "'{}'"),
    "number": ("7", "-7"),
    "shorter": ("'abcdef'", "''"),
    "short[]": ("ARRAY['a b', NULL]::short[]", "NULL"),
    "price": ("1.50", "-0.01"),
    "document": ("""'{"a": [1, null]}'""", "'null'"),
    "plain": ("""'{"a": 1}'""", "NULL"),
    "digits": ("'6f0d6f0c59c34f4e8f531c9f4e5a1b2c'", "'not a uuid'"),
    "flag": ("true", "false"),
    "moment": ("'2026-01-02 03:04:05+05:30'", "'infinity'"),
    "bytes": ("'\\x00ff'", "''"),
}


def test_values_of_such_types_arrive_as_they_were(open_pair: Callable[..., Pair]) -> None:
    columns = {f"v{at}": kind for at, kind in enumerate(VALUES)}
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    pair = open_pair(f"id int PRIMARY KEY, {listed}", names=("id", *columns))
    here, there = pair.owner
    for at, values in enumerate(zip(*VALUES.values(), strict=True)):
        here.execute(f"INSERT INTO things VALUES ({at}, {', '.join(values)})".encode())
    pair.carry()
    asked = b"SELECT t::text FROM things t ORDER BY id"
    assert there.execute(asked).fetchall() == here.execute(asked).fetchall()


KEYS: dict[str, tuple[int | str, ...]] = {
    "kind": ("low", "high"),
    "number": (7, -7),
    "shorter": ("abcdef", ""),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_such_a_type_is_a_key(open_pair: Callable[..., Pair], kind: str) -> None:
    pair = open_pair(f"id {kind} PRIMARY KEY, v int")
    here, there = pair.owner
    for each in KEYS[kind]:
        here.execute("INSERT INTO things VALUES (%s, 1)", [each])
    assert pair.keys() == [(each,) for each in KEYS[kind]]
    pair.carry()
    here.execute("UPDATE things SET v = 2")
    pair.carry()
    assert set(there.execute("SELECT id, v FROM things")) == {(each, 2) for each in KEYS[kind]}
    none_has: list[Key] = [("none",), (1000,), ("much too long",), ("low", "high"), ("\x01" * 100,)]
    known: set[Key] = {(each,) for each in KEYS[kind]}
    with pair.sessions[0].snapshot("s") as view:
        assert view.rows("thing", [*none_has, *known]).keys() == known
        assert view.existing("thing", none_has) == frozenset()


def test_an_enum_is_a_part_of_a_key(open_pair: Callable[..., Pair]) -> None:
    names = ("region", "id", "v")
    columns = "region kind, id number, v int, PRIMARY KEY (region, id)"
    pair = open_pair(columns, names[:2], names)
    here, there = pair.owner
    here.execute("INSERT INTO things VALUES ('low', 1, 10), ('high', 1, 20)")
    pair.carry()
    assert there.execute("SELECT count(*) FROM things").fetchall() == [(2,)]
    with pair.sessions[0].snapshot("s") as view:
        assert view.keys_after("thing", ("low", 1), 5) == [("high", 1)]
        assert view.existing("thing", [("zzz", 1), ("high", 1), ("low", 1000)]) == {("high", 1)}


def test_a_label_that_is_new_is_known_at_once(open_pair: Callable[..., Pair]) -> None:
    pair = open_pair("id kind PRIMARY KEY, v kind")
    pair.carry()  # the sessions know the table
    for each in pair.owner:
        each.execute("ALTER TYPE kind ADD VALUE 'middle'")
    pair.owner[0].execute("INSERT INTO things VALUES ('middle', 'middle')")
    pair.carry()
    assert pair.owner[1].execute("SELECT id::text FROM things").fetchall() == [("middle",)]


# What PostgreSQL takes for equal, or has no equality for on the path where we look, and is another value.
CHANGES = {
    "text COLLATE blunt": ("'abc'", "'ABC'"),
    "text[] COLLATE blunt": ("'{abc}'", "'{ABC}'"),
    "citext": ("'abc'", "'ABC'"),
    "citext[]": ("'{abc}'", "'{ABC}'"),
    "interval": ("'1 month'", "'30 days'"),
    "interval[]": ("'{1 month}'", "'{30 days}'"),
    "hstore": ("'a=>1'", "'a=>2'"),
}


def test_a_change_that_equality_does_not_see_arrives(open_pair: Callable[..., Pair]) -> None:
    columns = {f"v{at}": kind for at, kind in enumerate(CHANGES)}
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    pair = open_pair(f"id int PRIMARY KEY, {listed}", names=("id", *columns))
    asked = b"SELECT t::text FROM things t ORDER BY id"
    here, there = pair.owner
    for at in range(len(columns)):
        first = ", ".join(before for before, _ in CHANGES.values())
        here.execute(f"INSERT INTO things VALUES ({at}, {first})".encode())
    pair.carry()
    for at, (name, kind) in enumerate(columns.items()):
        here.execute(f"UPDATE things SET {name} = {CHANGES[kind][1]} WHERE id = {at}".encode())
    pair.carry()
    assert there.execute(asked).fetchall() == here.execute(asked).fetchall()


REFUSED = {
    "kind": ("zzz", "zzz"),
    "short": ("too long", "6"),
    "shorter": ("none", "shorter"),
    "number": (1000, "number"),
    "price": ("12345.00", "precision 6"),
}


def test_what_such_a_type_refuses_names_the_row(open_pair: Callable[..., Pair]) -> None:
    listed = ", ".join(f"{kind}_ {kind} UNIQUE" for kind in REFUSED)
    names = ("id", *(f"{kind}_" for kind in REFUSED))
    pair = open_pair(f"id int PRIMARY KEY, {listed}", names=names)
    blank: dict[str, object] = dict.fromkeys(names)
    rows = [blank | {"id": 0}, *(
        blank | {"id": at, f"{kind}_": value} for at, (kind, (value, _)) in enumerate(REFUSED.items(), 1)
    )]  # fmt: skip
    changes = [Change("thing", (row["id"],), (row["id"],), {"things": row}) for row in rows]  # type: ignore[arg-type]
    with pair.sessions[1].begin_round("s", "relay", 1) as round_:
        round_.claims(changes)
        with pytest.raises(CannotApply) as refused:
            round_.apply(changes, Settled(1, 0))
        assert len(refused.value.problems) == len(REFUSED)
        for at, (_, says) in enumerate(REFUSED.values(), 1):
            assert says in refused.value.problems["thing", (at,)]
        round_.apply(changes[:1], Settled(1, 0))
