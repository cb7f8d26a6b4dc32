"""Each of PostgreSQL's types arrives as it was, and trigger and Python spell every kind of key alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from sync.adapters.postgres.database import database
from sync.core.records import Settled
from sync.core.values import Change, Entity, Key, Rows, Side, SliceSpec, TableSpec
from sync.errors import CannotApply
from sync.ports import Session
from tests.contract.side_databases import CLOSED, OPEN, open_banks

pytestmark = pytest.mark.services
UUID = uuid.UUID("6f0d6f0c-59c3-4f4e-8f53-1c9f4e5a1b2c")


def spec_of(key: tuple[str, ...], columns: tuple[str, ...]) -> SliceSpec:
    """A slice of one table `things`, the same on both sides."""
    table = (TableSpec("things", key, columns),)

    def same(rows: Rows) -> Rows:
        return rows

    return SliceSpec("s", (Entity("thing", table, table, same, same),))


class Pair:
    """Two databases with the table `things`."""

    def __init__(self, urls: tuple[str, str], spec: SliceSpec, columns: str) -> None:
        self._plain = [url.replace("+psycopg", "") for url in urls]
        self.owner = [psycopg.connect(url, autocommit=True) for url in self._plain]
        self.sessions: list[Session] = []
        for side, url, owner in zip(Side, urls, self.owner, strict=True):
            owner.execute(f"SET ROLE bank_owner; CREATE TABLE things ({columns})".encode())
            owner.execute("RESET ROLE")
            ours = database(url.replace("postgres@", "bank_sync@"), side, {"s": spec})
            session = ours.session()
            session.install("s", OPEN if side is Side.LEGACY else CLOSED)
            self.sessions.append(session)

    def keys(self) -> list[Key]:
        """What is pending."""
        with self.sessions[0].snapshot("s") as view:
            return [mark.key for mark in view.pending(0, 100)]

    def carry(self) -> None:
        """One round, whatever is pending."""
        here, there = self.sessions
        with there.begin_round("s", "relay", 1) as transaction, here.snapshot("s") as view:
            marks = view.pending(0, 100)
            found = view.rows("thing", {mark.key for mark in marks})
            changes = [Change("thing", key, key, rows, None) for key, rows in found.items()]
            assert view.existing("thing", set(found)) == set(found)
            assert set(view.pending_among("things", set(found), 0)) == set(found)
            transaction.apply(changes, Settled(transaction.seen.round + 1, 0))
            assert transaction.rows("thing", set(found)) == found
            assert set(transaction.applied("thing", set(found))) == set(found)
            transaction.commit()
        here.acknowledge("s", marks, 1, 0)

    def close(self) -> None:
        """Let go."""
        for session in self.sessions:
            session.close()
        for owner in self.owner:
            owner.close()


@pytest.fixture
def pair(request: Any, postgres_database: Any, tmp_path: Any) -> Iterator[Pair]:
    """`request.param`: key, columns and their DDL."""
    key, names, columns = request.param
    banks = open_banks("postgres", tmp_path, postgres_database)  # for the roles
    made = Pair((banks.legacy.url, banks.extracted.url), spec_of(key, names), columns)
    yield made
    made.close()


VALUES = [
    ("numeric", ["1.10", "0.00000000000000000001", "1e100", "'NaN'", "-0"]),
    ("double precision", ["0.1", "1e308", "5e-324", "'NaN'", "'-Infinity'"]),
    ("real", ["0.1", "16777216", "3.4e38"]),
    ("text", ["''", "'a\tb\n\"c\" \\ ''d'''", "'{1,2}'", "'NULL'", "'❄'"]),
    ("character(5)", ["'a'", "'abcde'"]),
    ("char(32)", ["'6f0d6f0c59c34f4e8f531c9f4e5a1b2c'", "'not a uuid'"]),
    ("boolean", ["true", "false"]),
    ("timestamp", ["'2026-01-02 03:04:05.000006'", "'infinity'", "'0044-03-15 12:00 BC'", "'20000-01-01'"]),
    ("timestamptz", ["'2026-01-02 03:04:05+05:30'", "'-infinity'"]),
    ("date", ["'2026-01-02'", "'infinity'", "'0044-03-15 BC'"]),
    ("time", ["'12:30:00.5'", "'24:00'"]),
    ("interval", ["'1 year 2 months -3 days 04:05:06.789'"]),
    ("json", ['\'{"a": [1, null, "x"], "b": 1.5}\'', "'[]'", "'\"text\"'"]),
    ("jsonb", ['\'{"a": {"b": [true]}}\'', "'7'"]),
    ("json NOT NULL", ["'null'"]),
    ("bytea", ["'\\x00ff'", "''"]),
    ("uuid", [f"'{UUID}'"]),
    ("inet", ["'10.0.0.1/8'", "'::1'"]),
    ("int[]", ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'"]),
    ("text[]", ["ARRAY['a,b', 'say \"hi\"', 'NULL', NULL, '\\']"]),
    ("timestamp[]", ["ARRAY['2026-01-02'::timestamp]"]),
    ("bigint", ["9223372036854775807"]),
    ("money", ["12.5::money"]),
    ("xml", ["'<a/>'::xml"]),
    ("point", ["'(1,2)'::point"]),
]


@pytest.mark.parametrize(
    ("pair", "values"),
    [((("id",), ("id", "v"), f"id int PRIMARY KEY, v {kind}"), values) for kind, values in VALUES],
    ids=[kind for kind, _ in VALUES],
    indirect=["pair"],
)
def test_each_type_arrives_as_it_was(pair: Pair, values: list[str]) -> None:
    here, there = pair.owner
    for number, value in enumerate(values):
        here.execute(f"INSERT INTO things VALUES ({number}, {value})".encode())
    pair.carry()
    asked = b"SELECT id, v::text FROM things ORDER BY id"
    assert there.execute(asked).fetchall() == here.execute(asked).fetchall()
    here.execute("UPDATE things SET v = (SELECT t.v FROM things t WHERE t.id = 0)")
    pair.carry()
    assert there.execute(asked).fetchall() == here.execute(asked).fetchall()


KEYS: list[tuple[str, list[str], list[Key]]] = [
    ("int", ["-5", "2147483647"], [(-5,), (2147483647,)]),
    ("bigint", ["9223372036854775807"], [(9223372036854775807,)]),
    ("uuid", [f"'{UUID}'"], [(UUID,)]),
    ("char(32)", [f"'{UUID.hex}'"], [(UUID,)]),
    ("text", [f"'{UUID}'"], [(UUID,)]),
    (
        "text",
        ["''", "'a, \"b\" \\c/ ''d'' ❄'", "E'\\x01\\t\\x7f'"],
        [("",), ("a, \"b\" \\c/ 'd' ❄",), ("\x01\t\x7f",)],
    ),
]


@pytest.mark.parametrize(
    ("pair", "values", "keys"),
    [((("id",), ("id", "v"), f"id {kind} PRIMARY KEY, v int"), values, keys) for kind, values, keys in KEYS],
    indirect=["pair"],
)
def test_a_key_is_spelled_alike_by_trigger_and_python(pair: Pair, values: list[str], keys: list[Key]) -> None:
    for value in values:
        pair.owner[0].execute(f"INSERT INTO things VALUES ({value}, 1)".encode())
    assert pair.keys() == keys
    pair.carry()
    asked = b"SELECT id::text, v FROM things ORDER BY id"
    assert pair.owner[1].execute(asked).fetchall() == pair.owner[0].execute(asked).fetchall()
    pair.owner[0].execute("DELETE FROM things")
    assert pair.keys() == keys


_COMPOSITE = (("region", "id"), ("region", "id", "v"), "region text, id int, v int, PRIMARY KEY (region, id)")


@pytest.mark.parametrize("pair", [_COMPOSITE], indirect=True)
def test_a_key_of_two_columns_is_a_key(pair: Pair) -> None:
    here, there = pair.owner
    here.execute("INSERT INTO things VALUES ('de', 1, 10), ('de', 2, 20), ('fr', 1, 30)")
    assert pair.keys() == [("de", 1), ("de", 2), ("fr", 1)]
    pair.carry()
    with pair.sessions[0].snapshot("s") as view:
        assert view.keys_after("thing", ("de", 1), 5) == [("de", 2), ("fr", 1)]
        assert view.rows("thing", [("de", 2), ("es", 1)]) == {
            ("de", 2): {"things": {"region": "de", "id": 2, "v": 20}}
        }
    here.execute("UPDATE things SET id = 9 WHERE id = 2")
    assert pair.keys() == [("de", 2), ("de", 9)]
    assert there.execute("SELECT count(*) FROM things").fetchall() == [(3,)]


_STRICT = (("id",), ("id", "v"), "id int PRIMARY KEY, v text, unmapped int NOT NULL DEFAULT 0")


@pytest.mark.parametrize("pair", [_STRICT], indirect=True)
def test_a_row_that_is_there_is_updated_though_a_column_we_do_not_map_must_have_a_value(pair: Pair) -> None:
    pair.owner[0].execute("INSERT INTO things VALUES (1, 'a')")
    pair.carry()
    pair.owner[1].execute("ALTER TABLE things ALTER unmapped DROP DEFAULT")
    pair.sessions[1].restamp("s")
    pair.owner[0].execute("UPDATE things SET v = 'b'")
    pair.carry()
    assert pair.owner[1].execute("SELECT v, unmapped FROM things").fetchall() == [("b", 0)]
    pair.owner[0].execute("INSERT INTO things VALUES (2, 'c')")
    with pytest.raises(CannotApply, match="unmapped"):
        pair.carry()


@pytest.mark.parametrize("pair", [_STRICT], indirect=True)
def test_what_postgresql_cannot_hold_is_refused_by_name(pair: Pair) -> None:
    with (
        pair.sessions[1].begin_round("s", "relay", 1) as transaction,
        pytest.raises(CannotApply, match="NUL"),
    ):
        transaction.apply([Change("thing", (1,), (1,), {"things": {"id": 1, "v": "a\x00b"}})], Settled(1, 0))


def test_names_are_found_on_the_roles_own_search_path(postgres_database: Any, tmp_path: Any) -> None:
    bank = open_banks("postgres", tmp_path, postgres_database).legacy
    name = bank.url.rpartition("/")[2]
    bank.alter(f"""CREATE SCHEMA shop AUTHORIZATION bank_owner; SET ROLE bank_owner;
        CREATE TABLE shop.things (id int PRIMARY KEY, "Odd name" text);
        GRANT USAGE ON SCHEMA shop TO bank_sync;
        RESET ROLE; ALTER ROLE bank_sync IN DATABASE {name} SET search_path = shop""")
    spec = spec_of(("id",), ("id", "Odd name"))
    ours = database(bank.url.replace("postgres@", "bank_sync@"), Side.LEGACY, {"s": spec})
    with closing(ours.session()) as session:
        session.install("s", OPEN)
        bank.alter("INSERT INTO shop.things VALUES (1, 'x')")
        assert session.count("things") == session.count("shop.things") == 1
        assert set(session.shapes(["things", "shop.things", "none"])) == {"things", "shop.things"}
        with session.snapshot("s") as view:
            assert view.rows("thing", [(1,)]) == {(1,): {"things": {"id": 1, "Odd name": "x"}}}
