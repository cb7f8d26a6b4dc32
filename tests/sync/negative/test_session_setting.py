"""A setting as the key to the closed fence: a pool hands it on with its connection, anybody may set it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from sync.core.values import Side
from tests.contract.side_databases import BANK, Banks
from tests.sync.world import Ours, apart, login_url

TEMPTING = "a session setting as the fence's key"
LOSES = "a write on the closed side, neither refused nor captured, over a connection that apply gave back"
GATE = """
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('bank.apply', true) = 'on' THEN RETURN NULL; END IF;
    RAISE EXCEPTION 'closed'; END $$;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION gate();
"""
SET = text("SET bank.apply = 'on'")
UPDATE = text("UPDATE accounts SET balance = 9 WHERE id = 1")
MARK = text("UPDATE sf.round SET mark = pg_current_xact_id()::text WHERE slice = :slice")

pytestmark = pytest.mark.services


class Setting:
    """Apply says who it is, once a session."""

    login = "bank_app"

    def __init__(self, banks: Banks) -> None:
        banks.legacy.alter(GATE)

    def apply(self, connection: Connection) -> None:
        """A round's write to the closed side."""
        connection.execute(SET)
        connection.execute(UPDATE)


class Mark(Ours):
    """The role that logged in, and a mark that is this transaction's own: the worst pool hands on neither."""

    login = "bank_sync"

    def __init__(self, banks: Banks) -> None:
        super().__init__(banks)
        self.flip(Side.EXTRACTED)

    def apply(self, connection: Connection) -> None:
        connection.execute(MARK, {"slice": BANK})
        connection.execute(UPDATE)


@pytest.mark.parametrize(
    ("way", "passes"), [pytest.param(Setting, True, id="tempting"), pytest.param(Mark, False, id="ours")]
)
def test_a_pool_hands_the_key_on(postgres_banks: Banks, way: type[Setting | Mark], passes: bool) -> None:
    postgres_banks.legacy.account(1, balance=0)
    fence = way(postgres_banks)
    with _pool_of_one(postgres_banks, fence.login) as connect:
        with connect.begin() as applying:
            fence.apply(applying)
        with connect.connect() as handed_on:
            assert _is_taken(handed_on) == passes


@pytest.mark.parametrize(
    ("way", "passes"), [pytest.param(Setting, True, id="tempting"), pytest.param(Mark, False, id="ours")]
)
def test_anybody_may_set_it(postgres_banks: Banks, way: type[Setting | Mark], passes: bool) -> None:
    postgres_banks.legacy.account(1, balance=0)
    way(postgres_banks)
    with _pool_of_one(postgres_banks, "bank_app") as connect, connect.connect() as application:
        application.execute(SET)
        assert _is_taken(application) == passes
    if not passes:
        assert apart(postgres_banks) == {}


def _is_taken(connection: Connection) -> bool:
    """Whether a write of the application is acknowledged."""
    try:
        connection.execute(UPDATE)
        connection.commit()
    except DBAPIError:
        return False
    return True


@contextmanager
def _pool_of_one(banks: Banks, login: str) -> Iterator[Engine]:
    engine = create_engine(login_url(banks.legacy, login), pool_size=1, max_overflow=0)
    try:
        yield engine
    finally:
        engine.dispose()
