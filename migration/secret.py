"""The project's secrets in its state directory, made once and readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from migration.errors import MigrationError

_BYTES = 32  # as long as the HMAC-SHA256 key it becomes (RFC 2104, section 3)


def project_secret(state_dir: str | Path) -> bytes:
    """The key that signs cookies and shadow requests: 32 bytes, kept as hex in `secret`."""
    return _key(Path(state_dir) / "secret")


def identity_keys(state_dir: str | Path) -> list[bytes]:
    """The private keys of the identity tokens, Ed25519, kept as hex: `identity-key`, which signs.

    Behind it `identity-key.old`, if a person moved one there, whose tokens still count.
    """
    old = Path(state_dir) / "identity-key.old"
    return [_key(Path(state_dir) / "identity-key"), *([_key(old)] if old.exists() else [])]


def introspection_secret(state_dir: str | Path) -> str:
    """What shows the monolith that it is the facade who asks whose cookie this is."""
    return _key(Path(state_dir) / "introspection-secret").hex()


def admin_token(state_dir: str | Path) -> str:
    """The bearer token of the admin port and of the decision headers, kept in `admin-token`."""
    token = _kept(Path(state_dir) / "admin-token")
    if len(token) < _BYTES:
        raise MigrationError(f"{Path(state_dir) / 'admin-token'} is too short; delete it to get a new one")
    return token


def _key(path: Path) -> bytes:
    text = _kept(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise MigrationError(f"{path} holds no 64 hex digits; delete it to get a new one")
    return key


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _create(path)
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"cannot keep the secret {path}: {error}; make its directory writable") from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600 from the start
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link fails where a rename would replace: of two processes that start together, the first one wins.
        Path(path).hardlink_to(name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
