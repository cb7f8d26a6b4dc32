"""Shares, names and text from outside: what is refused, suggested and made safe."""

import pytest

from desk.core.restart import CONFIGURATION, Restart, StopAll, after_death, ending
from desk.core.safe_text import printable
from desk.core.shares import share
from desk.core.suggest import did_you_mean, resolve

ROUTES = ("catalog.show_product", "catalog.list_products", "orders.show_order", "cart.show", "orders.show")


@pytest.mark.parametrize(
    ("typed", "meant"), [("0", 0), ("10", 10), ("100", 100), ("10%", 10), (" 7 % ", 7), ("007", 7)]
)
def test_a_share_is_a_whole_number_of_per_cent(typed, meant):
    assert share(typed) == meant


@pytest.mark.parametrize(
    "typed", ["33.5", "150", "-1", "abc", "", "%", "1e1", "١٠", "²", "101", "0x10", "10 %%", "99999999999"]
)
def test_every_other_share_is_refused_with_what_is_allowed(typed):
    with pytest.raises(ValueError, match="whole number of per cent from 0 to 100"):
        share(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("catalog.show_product", "catalog.show_product"),
        ("show_product", "catalog.show_product"),
        ("show", None),  # two slices have it
        ("nothing", None),
    ],
)
def test_a_route_is_found_by_its_id_or_by_a_name_that_only_one_slice_has(typed, meant):
    assert resolve(typed, ROUTES) == meant


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("catalog.shwo_product", "Did you mean catalog.show_product"),
        ("shwo_product", "Did you mean catalog.show_product"),
        ("SHOW_PRODUCT", "Did you mean catalog.show_product"),
        ("zzz", "Known: catalog.show_product, "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(typed, said):
    assert did_you_mean(typed, ROUTES).startswith(said)


def test_where_nothing_exists_nothing_is_suggested():
    assert did_you_mean("a", ()) == "There is none at all."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe „küche“ – 日本", "Größe „küche“ – 日本"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u200bb\u2028c", "a\\u200bb\\u2028c"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_that_a_terminal_obeys_reaches_it(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(("limit", "shown"), [(10, "abcdef"), (6, "abcdef"), (5, "abcd…"), (0, "…")])
def test_long_text_is_cut_visibly(limit, shown):
    assert printable("abcdef", limit) == shown


@pytest.mark.parametrize(
    ("code", "lived", "deaths", "verdict"),
    [
        (CONFIGURATION, 0.1, 0, StopAll(3)),
        (1, 0.1, 0, Restart(0.5, 1)),
        (-9, 1.0, 1, Restart(1.0, 2)),
        (0, 1.0, 2, Restart(2.0, 3)),
        (1, 1.0, 30, Restart(15.0, 31)),
        (1, 60.0, 5, Restart(0.5, 1)),  # lived well in between: forgotten
    ],
)
def test_a_dead_process_is_started_again_ever_later_unless_its_configuration_is_wrong(
    code, lived, deaths, verdict
):
    assert after_death(code, lived, deaths) == verdict


@pytest.mark.parametrize(("code", "said"), [(1, "exit code 1"), (-9, "killed by signal 9")])
def test_an_end_is_told_in_words(code, said):
    assert ending(code) == said
