"""The key pair of the identity tokens: made at the first start, kept beside the project's other secrets."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from facade.core.identity import TYPE
from migration.errors import MigrationError
from migration.secret import identity_keys

PUBLISHED = "identity-jwks.json"


class Signer:
    """Signs claims with the state directory's key; called, it gives the token."""

    def __init__(self, state_dir: str) -> None:
        """MigrationError when the key cannot be kept or read."""
        self._key = Ed25519PrivateKey.from_private_bytes(identity_keys(state_dir)[0])
        self._headers = {"kid": key_id(self._key.public_key()), "typ": TYPE}

    def __call__(self, claims: Mapping[str, Any]) -> bytes:
        """The token of these claims."""
        return jwt.encode(dict(claims), self._key, algorithm="EdDSA", headers=self._headers).encode()


def publish(state_dir: str) -> None:
    """Write the public keys beside the private one, for services that read a file."""
    path = Path(state_dir) / PUBLISHED
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(published_keys(state_dir))
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise MigrationError(f"cannot write {path}: {error}; make its directory writable") from None


def published_keys(state_dir: str) -> bytes:
    """The public keys as a JWK set (RFC 7517, RFC 8037): the present one, and one that was replaced."""
    public = [Ed25519PrivateKey.from_private_bytes(raw).public_key() for raw in identity_keys(state_dir)]
    keys = [{**_public_jwk(key), "kid": key_id(key), "use": "sig", "alg": "EdDSA"} for key in public]
    return json.dumps({"keys": keys}).encode() + b"\n"


def key_id(key: Ed25519PublicKey) -> str:
    """The key's thumbprint (RFC 7638)."""
    canonical = json.dumps(_public_jwk(key), separators=(",", ":"), sort_keys=True)
    return _encoded(hashlib.sha256(canonical.encode()).digest())


def _public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _encoded(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
