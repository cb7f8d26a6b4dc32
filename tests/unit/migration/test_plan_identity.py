"""What the plan may say of logins, and what is refused with its line and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.core.plan import IdentitySettings
from migration.plan_file import load_plan
from tests.unit.migration.migration_builders import write_plan
from tests.unit.migration.plan_texts import HEAD, problems

ASKS = HEAD + '[identity]\nintrospect = "/internal/whoami"\n'
READS = HEAD + '[identity]\ncookie_secret = "env:SECRET"\n'
ENV = {"SECRET": "very-secret-word"}


def settings(folder: Path, text: str) -> IdentitySettings | None:
    return load_plan(write_plan(folder, text), ENV).identity


def test_without_the_table_there_are_no_identities(tmp_path: Path) -> None:
    assert settings(tmp_path, HEAD) is None


def test_the_monolith_is_asked(tmp_path: Path) -> None:
    text = ASKS + 'cookie = "shop_session"\nsecret = "env:SECRET"\nservices = ["catalog"]\ncache = "1s"\n'
    assert settings(tmp_path, text) == IdentitySettings(
        "shop_session", "/internal/whoami", secret="very-secret-word", services=("catalog",), cache=1.0
    )


def test_its_cookie_is_read(tmp_path: Path) -> None:
    found = settings(tmp_path, READS + 'subject = "customer_id"\n')
    assert found == IdentitySettings(cookie_secret="very-secret-word", subject="customer_id")


def test_no_secret_is_printed(tmp_path: Path) -> None:
    asks, reads = settings(tmp_path, ASKS + 'secret = "env:SECRET"\n'), settings(tmp_path, READS)
    assert "very-secret-word" not in repr(asks) + repr(reads)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "[identity]\n", "plan.toml:5: identity says no way; add introspect"),
        ("identity = 3\n" + HEAD, "identity is no table; write it as [identity]"),
        (ASKS + 'cookie_secret = "env:SECRET"\n', "plan.toml:7: introspect and cookie_secret are two ways"),
        (READS + 'secret = "env:SECRET"\n', "plan.toml:7: secret is for introspect, which is not set"),
        (READS + 'cookie_secret = "change-me"\n', "is no TOML"),
        (HEAD + '[identity]\ncookie_secret = "change-me"\n', "a secret is not written into the plan"),
        (ASKS + 'cookie = "a b"\n', "plan.toml:7: cookie: 'a b' is no name of a cookie"),
        (ASKS + 'cookie = "a;"\n', "is no name of a cookie"),
        (ASKS + 'cache = "21s"\n', "plan.toml:7: cache is longer than 20s"),
        (ASKS + 'timeout = "0s"\n', "plan.toml:7: timeout is not between"),
        (ASKS + 'timeout = "1min"\n', "timeout is not between"),
        (ASKS + "sessions = 0\n", "plan.toml:7: sessions: 0 keeps nothing"),
        (ASKS + 'services = ["katalog"]\n', "plan.toml:7: there is no service 'katalog'"),
        (ASKS + 'introspekt = "/a"\n', "unknown key 'introspekt' in identity; did you mean introspect?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_cure(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, text, ENV)
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize(
    "path",
    ["whoami", "/", "//whoami", "/a//b", "/a/", "/a/../b", "/.a", "/a?b=1", "/a#b", "/a%2Fb", "/a b", "/ä"],
)  # fmt: skip
def test_a_path_that_could_be_spelled_another_way_is_refused(tmp_path: Path, path: str) -> None:
    found = problems(tmp_path, HEAD + f'[identity]\nintrospect = "{path}"\n', ENV)
    assert "is no plain path" in found[0]


def test_identity_belongs_into_the_main_plan(tmp_path: Path) -> None:
    text = 'include = ["slices/*.toml"]\n' + HEAD
    found = problems(tmp_path, text, ENV, slices__x='[identity]\nintrospect = "/a"\n')
    assert "identity belongs into the main plan" in found[0]
