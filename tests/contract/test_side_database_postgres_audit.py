"""Each hole of capture and fence that PostgreSQL has is planted, and the audit has to name it with a cure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest

from sync.adapters.postgres.database import database
from sync.core.audit import Finding
from sync.core.values import SliceSpec
from sync.errors import Refused
from tests.contract.side_databases import ACCOUNT, BANK, OPEN, SPEC, TRANSFER, Bank, Banks, open_banks

pytestmark = pytest.mark.services
_NO_KEY = "ALTER TABLE transfers DROP CONSTRAINT transfers_pkey"
_TRIGGER = """CREATE FUNCTION public.mail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER mailed AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION mail()"""
_CITEXT = """CREATE COLLATION blunt (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    ALTER TABLE account_details DROP CONSTRAINT account_details_account_id_fkey;
    ALTER TABLE account_details ALTER account_id TYPE text COLLATE blunt"""


@pytest.fixture
def bank(postgres_database: Any, tmp_path: Any) -> Bank:
    """Legacy's side, capture not installed."""
    return open_banks("postgres", tmp_path, postgres_database).legacy


def findings(bank: Bank, spec: SliceSpec = SPEC) -> Sequence[Finding]:
    """What the audit says, but that the tests' server does not wait for its disk."""
    with closing(database(_ours(bank), bank.side, {BANK: spec}).session()) as session:
        return [each for each in session.audit(BANK) if each.code != "fsync-off"]


def _ours(bank: Bank) -> str:
    return bank.url.replace("postgres@", "bank_sync@")


def test_a_side_without_holes_has_no_finding(bank: Bank) -> None:
    assert list(findings(bank)) == []
    bank.install()
    bank.account(1)
    assert list(findings(bank)) == []


PLANTED: list[tuple[str, bool, str]] = [
    ("no-key", True, _NO_KEY),
    (
        "nullable-key",
        True,
        f"{_NO_KEY}; ALTER TABLE transfers ALTER id DROP IDENTITY, ALTER id DROP NOT NULL",
    ),
    (
        "key-type",
        True,
        "ALTER TABLE transfers ALTER id DROP IDENTITY; ALTER TABLE transfers ALTER id TYPE numeric",
    ),
    (
        "key-enum",
        False,
        """CREATE TYPE kind AS ENUM ('1'); ALTER TABLE transfers ALTER id DROP IDENTITY;
        ALTER TABLE transfers ALTER id TYPE kind USING id::text::kind""",
    ),
    ("key-collation", True, _CITEXT),
    ("no-table", True, "DROP TABLE transfers"),
    ("not-a-table", True, "ALTER TABLE transfers RENAME TO t; CREATE VIEW transfers AS SELECT * FROM t"),
    ("unlogged", True, "ALTER TABLE transfers SET UNLOGGED"),
    ("rule", True, "CREATE RULE aside AS ON DELETE TO transfers DO INSTEAD NOTHING"),
    ("own-trigger", False, _TRIGGER),
    ("trigger-fires-on-apply", True, f"{_TRIGGER}; ALTER TABLE transfers ENABLE ALWAYS TRIGGER mailed"),
    (
        "rights",
        True,
        "ALTER TABLE transfers OWNER TO postgres; GRANT SELECT, INSERT ON transfers TO bank_sync",
    ),
    ("rights", True, "ALTER TABLE transfers OWNER TO postgres; GRANT ALL ON transfers TO bank_sync"),
    (
        "rights",
        True,
        "CREATE SEQUENCE s; ALTER TABLE transfers ALTER id DROP IDENTITY, ALTER id SET DEFAULT nextval('s')",
    ),
    ("owner-logs-in", False, "ALTER TABLE transfers OWNER TO bank_app"),
    ("key-in", False, "CREATE TABLE notes (id int PRIMARY KEY, account_id int REFERENCES accounts)"),
    (
        "key-out",
        False,
        "CREATE TABLE kinds (id int PRIMARY KEY); ALTER TABLE transfers ADD kind int REFERENCES kinds",
    ),
    ("needs-value", False, "ALTER TABLE transfers ADD branch int NOT NULL"),
    (
        "generated",
        False,
        "ALTER TABLE transfers DROP reference, ADD reference text GENERATED ALWAYS AS (amount::text) STORED",
    ),
    (
        "row-level-security",
        True,
        "ALTER TABLE transfers ENABLE ROW LEVEL SECURITY; ALTER TABLE transfers FORCE ROW LEVEL SECURITY",
    ),
    ("asynchronous-commit", True, "ALTER DATABASE {database} SET synchronous_commit = off"),
    ("asynchronous-commit", True, "ALTER ROLE bank_app IN DATABASE {database} SET synchronous_commit = off"),
]


@pytest.mark.parametrize(
    ("code", "fatal", "hole"), PLANTED, ids=[f"{p[0]} {n}" for n, p in enumerate(PLANTED)]
)
def test_each_planted_hole_is_found_before_anything_is_installed(
    bank: Bank, code: str, fatal: bool, hole: str
) -> None:
    bank.alter(hole.format(database=bank.url.rpartition("/")[2]))
    found = [each for each in findings(bank) if each.code == code]
    assert found
    assert {each.fatal for each in found} == {fatal}
    assert all(each.where and each.what and each.cure for each in found)


def test_a_role_that_may_not_switch_triggers_off_is_found(bank: Bank) -> None:
    bank.alter("REVOKE SET ON PARAMETER session_replication_role FROM bank_sync")
    try:
        assert [each.code for each in findings(bank)] == ["rights"]
    finally:
        bank.alter("GRANT SET ON PARAMETER session_replication_role TO bank_sync")


def test_logical_replication_into_a_table_is_found(bank: Bank) -> None:
    bank.alter("""CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION p
        WITH (connect = false, slot_name = NONE, enabled = false)""")
    bank.alter("""INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
        SELECT oid, 'transfers'::regclass, 'r' FROM pg_subscription""")
    assert [each.code for each in findings(bank)] == ["subscription"]
    bank.alter("DROP SUBSCRIPTION feed")


HURT = [
    "ALTER TABLE transfers DISABLE TRIGGER sf_bank_capture",
    "ALTER TABLE transfers ENABLE TRIGGER ALL",
    "DROP TRIGGER sf_bank_gate ON transfers",
    "CREATE TABLE more () INHERITS (transfers)",
]


@pytest.mark.parametrize("hurt", HURT)
def test_a_trigger_that_is_gone_or_off_is_found_on_every_table_of_the_tree(bank: Bank, hurt: str) -> None:
    bank.install()
    bank.alter(hurt)
    found = {each.code: each for each in findings(bank)}
    assert "trigger-missing" in found
    assert "capture install bank" in found["trigger-missing"].cure


def test_an_application_that_could_take_the_fence_away_is_found(bank: Bank) -> None:
    bank.install()
    write = "INSERT INTO transfers (amount) VALUES (1)"
    bank.administrator.write(write)
    assert [each.code for each in findings(bank)] == ["application-is-superuser"]
    bank.alter("TRUNCATE sf.outbox; ALTER TABLE transfers OWNER TO bank_app")
    bank.write(write)
    assert "application-owns-tables" in [each.code for each in findings(bank)]
    bank.alter("TRUNCATE sf.outbox; ALTER TABLE transfers OWNER TO bank_owner")
    with closing(psycopg.connect(_ours(bank).replace("+psycopg", ""), autocommit=True)) as other:
        other.execute(write.encode())
    assert "application-is-sync-role" in [each.code for each in findings(bank)]


def test_a_table_of_two_slices_is_found(bank: Bank) -> None:
    bank.install()
    spec = dataclasses.replace(SPEC, name="other")
    with closing(database(_ours(bank), bank.side, {"other": spec}).session()) as session:
        assert "two-slices" in [each.code for each in session.audit("other")]


def test_accepted_splits_are_not_found(bank: Bank) -> None:
    bank.alter("CREATE TABLE notes (id int PRIMARY KEY, account_id int REFERENCES accounts)")
    spec = dataclasses.replace(SPEC, accepted_splits=frozenset({"notes"}))
    assert [each.code for each in findings(bank)] == ["key-in"]
    assert list(findings(bank, spec)) == []


def test_a_transaction_that_spans_two_slices_is_found(bank: Bank) -> None:
    specs = {"people": SliceSpec("people", (ACCOUNT,)), "money": SliceSpec("money", (TRANSFER,))}
    own = dataclasses.replace(TRANSFER, references=())
    specs["money"] = dataclasses.replace(specs["money"], entities=(own,))
    with closing(database(_ours(bank), bank.side, specs).session()) as session:
        for name in specs:
            session.install(name, OPEN)
        bank.write("INSERT INTO accounts VALUES (1, '1', 1)")
        assert "transaction-across" not in [each.code for each in session.audit("people")]
        bank.write(
            "BEGIN; UPDATE accounts SET balance = 2; INSERT INTO transfers (amount) VALUES (1); COMMIT"
        )
        assert "transaction-across" in [each.code for each in session.audit("people")]


def test_without_the_rights_install_says_who_can_help(banks_without_rights: Banks) -> None:
    with closing(banks_without_rights.legacy.session()) as session:
        with pytest.raises(Refused, match="capture plan bank"):
            session.install(BANK, OPEN)
        assert "rights" in [each.code for each in session.audit(BANK) if each.fatal]
        assert list(session.objects()) == []


@pytest.fixture
def banks_without_rights(postgres_database: Any, tmp_path: Any) -> Banks:
    """The sync role may read and write, and nothing else."""
    banks = open_banks("postgres", tmp_path, postgres_database)
    name = banks.legacy.url.rpartition("/")[2]
    banks.legacy.alter(f"REVOKE CREATE ON DATABASE {name} FROM bank_sync")
    return banks
