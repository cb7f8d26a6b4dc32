"""The project's secrets are made once, by one of many, and are their owner's alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from migration.errors import MigrationError
from migration.secret import admin_token, identity_keys, introspection_secret, project_secret


def test_secrets_are_kept_and_differ(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert len(project_secret(state)) == 32
    assert project_secret(state) == project_secret(state)
    assert admin_token(state) == admin_token(state)
    assert admin_token(state) != project_secret(state).hex()
    assert {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()} == {
        "secret": 0o600,
        "admin-token": 0o600,
    }


def test_of_many_that_start_together_all_get_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def one() -> None:
        start.wait()
        found.append(project_secret(tmp_path))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("content", [b"", b"abc", b"z" * 64, b"\xff" * 64, b"ab" * 31])
def test_a_secret_that_is_none_is_told_with_its_cure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(MigrationError, match=r"secret"):
        project_secret(tmp_path)


def test_a_token_too_short_to_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("short\n")
    with pytest.raises(MigrationError, match="too short"):
        admin_token(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MigrationError, match="make its directory writable"):
        project_secret(tmp_path / "file" / "state")


def test_the_key_of_identities_is_made_once_and_the_one_before_may_lie_beside_it(tmp_path: Path) -> None:
    (first,) = identity_keys(tmp_path)
    assert identity_keys(tmp_path) == [first]
    assert (tmp_path / "identity-key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "identity-key").rename(tmp_path / "identity-key.old")
    new, old = identity_keys(tmp_path)
    assert old == first != new
    (tmp_path / "identity-key.old").write_text("no key")
    with pytest.raises(MigrationError, match=r"identity-key\.old holds no 64 hex digits"):
        identity_keys(tmp_path)


def test_the_word_to_the_monolith_is_kept(tmp_path: Path) -> None:
    assert introspection_secret(tmp_path) == introspection_secret(tmp_path) != project_secret(tmp_path).hex()
    assert (tmp_path / "introspection-secret").read_text().strip() == introspection_secret(tmp_path)
