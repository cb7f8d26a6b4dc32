"""A key and its text are one to one, however a trigger spelled it."""

from __future__ import annotations

import sqlite3
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core import keys

SOME = uuid.UUID("6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11")

SPELLED = [
    ((17,), "[17]"),
    ((-(2**63),), "[-9223372036854775808]"),
    (("de",), '["de"]'),
    ((SOME,), '["6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11"]'),
    ((17, 'Größe\n"5"'), '[17,"Größe\\n\\"5\\""]'),
    ((SOME, 3), '["6f0d6f0c-59c3-5a43-9c35-0e1a5f6b7f11",3]'),
]


@pytest.mark.parametrize(("key", "spelled"), SPELLED)
def test_a_key_has_one_text_and_the_text_one_key(key, spelled):
    assert keys.text(key) == spelled
    assert keys.parse(spelled) == key


def test_the_spaces_that_postgresql_writes_do_not_matter():
    assert keys.parse('[17, "de"]') == keys.parse('[17,"de"]')


def test_what_looks_like_a_uuid_is_one_whatever_its_column_was_declared_as():
    assert keys.normal([str(SOME)]) == (SOME,) == keys.parse(f'["{SOME}"]')


@pytest.mark.parametrize("value", [str(SOME).upper(), SOME.hex, f"{{{SOME}}}", "-" * 36])
def test_another_spelling_of_a_uuid_stays_text_because_the_database_tells_it_apart(value):
    assert keys.normal([value]) == (value,)


@pytest.mark.parametrize("value", [None, 1.5, True, b"\x01", Decimal(1), [1], 2**63, "\ud800", "a\0b"])
def test_what_cannot_be_part_of_a_key_is_refused(value):
    with pytest.raises(ValueError, match="cannot be part of a key"):
        keys.normal([value])


@pytest.mark.parametrize(
    "spelled",
    ["[]", "17", '{"id":1}', "[null]", "[1.5]", "[[1]]", "[true]", "", "[1", "[01]", "[٣]", "[-0.0]"],
)
def test_what_is_no_key_is_refused(spelled):
    with pytest.raises(ValueError):
        keys.parse(spelled)


@pytest.mark.parametrize(
    ("values", "spelled"),
    [([None], '{"odd":[null]}'), ([1.5, 2], '{"odd":[null,2]}'), (["caf\udce9"], '{"odd":["caf\\udce9"]}')],
)
def test_what_stands_where_a_key_should_has_a_text_of_its_own_in_ascii(values, spelled):
    key = keys.odd(values)
    assert keys.is_odd(key)
    assert keys.text(key) == spelled
    assert keys.parse(spelled) == key
    assert f"accounts has a row whose key, {key[0]}, cannot" in keys.why_odd(key, "accounts")
    assert not keys.is_odd((17,))


def test_a_rows_key_is_that_of_its_columns_in_their_order():
    row = {"lang": "de", "id": 17, "title": "Stuhl"}
    assert keys.of(row, ("id", "lang")) == (17, "de")
    with pytest.raises(KeyError):
        keys.of(row, ("missing",))


ANY_KEY = st.lists(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.uuids(),
        st.uuids().map(str),
    ),
    min_size=1,
    max_size=3,
)


@given(ANY_KEY)
def test_text_and_key_are_one_to_one_in_normal_form(values):
    key = keys.normal(values)
    assert keys.parse(keys.text(key)) == key
    assert keys.normal(key) == key


@given(
    st.one_of(
        *(
            st.lists(st.tuples(part))
            for part in (st.integers(-(2**63), 2**63 - 1), st.uuids(), st.integers() | st.uuids())
        ),
        st.lists(ANY_KEY.map(keys.normal)),
    )
)
def test_many_keys_have_the_texts_that_each_of_them_has(many):
    assert keys.texts(many) == [keys.text(each) for each in many]


@given(st.uuids())
def test_a_uuid_made_of_its_number_is_that_uuid(expected):
    made = keys.uuid_of(expected.int)
    assert (made, hash(made), repr(made), type(made)) == (expected, hash(expected), repr(expected), uuid.UUID)
    assert made.is_safe is expected.is_safe


@given(ANY_KEY)
def test_a_trigger_of_sqlite_spells_a_key_as_python_does(values):
    plain = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    with sqlite3.connect(":memory:") as connection:
        marks = ",".join("?" * len(plain))
        spelled = connection.execute(f"SELECT json_array({marks})", plain).fetchone()[0]
    connection.close()
    assert spelled == keys.text(keys.normal(values))
