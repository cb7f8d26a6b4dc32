"""The monolith and the order service on the same rows, and a customer who asks both: what these tests share.

The service's tables are filled through the slice's own mappings. The facade's part (whose cookie is it?) is
played here: the monolith is asked as the facade asks it, and the answer signed with a key of the test's own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extracted.identity import HEADER
from extracted.orders.database import Database
from legacy_monolith import models
from legacy_monolith.tests.browser import Browser
from tests.contract.catalog_samples import run, started
from tests.unit.extracted.test_sample_mappings import mappings

SECRET, WHOAMI = "of the house", "of the facade"
SIZES = ("--products", "48", "--customers", "30", "--orders", "60")
FIRST, LAST = 1_000_000, 1_999_999  # the service's block of integers
ENTITIES = (
    ("order", models.Order),
    ("line", models.OrderLine),
    ("payment", models.Payment),
    ("invoice", models.Invoice),
    ("stock", models.Stock),
)


@dataclass(frozen=True)
class Databases:
    """The URLs of the monolith's database and of the service's."""

    shop: str
    orders: str


def in_files(folder: Path) -> Databases:
    """Two SQLite files."""
    return Databases(f"sqlite:///{folder}/shop.db", f"sqlite:///{folder}/orders.db")


def fill(databases: Databases) -> None:
    """Seed the monolith, give its rows to the service, and a block of integers beside them."""
    assert run("legacy_monolith", "seed", "--database", databases.shop, *SIZES).returncode == 0
    made = run("extracted.orders", "create-schema", "--database", databases.orders)
    assert made.returncode == 0, made.stderr
    database = Database(databases.orders)
    database.write(lambda work: work.insert(list(mapped(databases.shop))))
    give_ids(database, FIRST, LAST)
    database.close()


def mapped(shop: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The service's rows, by table."""
    engine = sa.create_engine(shop)
    orders = mappings("orders")
    with engine.connect() as connection:
        for entity, model in ENTITIES:
            mapping = getattr(orders, entity)
            rows = [dict(row) for row in connection.execute(sa.select(model.__table__)).mappings()]
            yield model.__tablename__, [mapping.forward(row) for row in rows]
    engine.dispose()


def give_ids(database: Database, first: int, last: int) -> None:
    """The block, as the sync gives it."""
    statements = (
        ["CREATE SCHEMA IF NOT EXISTS sf"]
        if database.postgres
        else ["CREATE TABLE IF NOT EXISTS sf_ids (slice, entity PRIMARY KEY, first, next, last)"]
    )
    for entity in ("order", "line", "payment", "invoice"):
        if database.postgres:
            name = f"sf.ids_orders_{entity}"
            statements += [f"DROP SEQUENCE IF EXISTS {name}"]
            statements += [f"CREATE SEQUENCE {name} MINVALUE {first} MAXVALUE {last}"]
        else:
            statements += [
                f"INSERT OR REPLACE INTO sf_ids VALUES ('orders', '{entity}', {first}, {first}, {last})"
            ]
    for statement in statements:
        database.write(lambda work, statement=statement: work.run(statement))  # type: ignore[misc]


class Facade:
    """What the facade knows of identities: it asks the monolith, and signs."""

    def __init__(self, folder: Path) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        self.keys = folder / "jwks.json"
        jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "test", "x": public, "alg": "EdDSA", "use": "sig"}
        self.keys.write_text(json.dumps({"keys": [jwk]}))

    def token(self, known: dict[str, Any], audience: str = "orders", age: int = 0) -> str:
        """An identity as the facade makes it."""
        now = int(time.time()) - age
        claims = {name: value for name, value in known.items() if value is not None}
        claims |= {"aud": audience, "iat": now, "exp": now + 30, "epoch": 1}
        return jwt.encode(
            claims, self.key, algorithm="EdDSA", headers={"kid": "test", "typ": "strangler-identity+jwt"}
        )


class Customer(Browser):
    """A browser whose requests to the service come with what the facade says of its cookie."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(samples.legacy_url)
        self.samples = samples
        self.orders = httpx.Client(base_url=samples.orders_url, timeout=20, trust_env=False)
        self.headers["X-Forwarded-For"] = "192.0.2.7"

    def known(self) -> dict[str, Any]:
        """What the monolith says of this session."""
        found: dict[str, Any] = self.get("/internal/whoami", headers={"X-Strangler-Secret": WHOAMI}).json()
        return found

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """The same request to the service."""
        cookie = "; ".join(f"{one.name}={one.value}" for one in self.cookies.jar)
        headers = {"Cookie": cookie} if cookie else {}
        headers |= {"X-Forwarded-For": "192.0.2.7", **more.pop("headers", {})}
        headers |= {HEADER: token or self.samples.facade.token(self.known())}
        return self.orders.request(method, path, headers=headers, **more)

    def fill_in(self, path: str, fields: dict[str, str], **more: Any) -> httpx.Response:
        """A form of the monolith's, sent to the service."""
        return self.ask("POST", path, data={**fields, "csrf_token": self.token()}, **more)

    def close(self) -> None:
        super().close()
        self.orders.close()


@dataclass
class Samples:
    """The two running samples."""

    databases: Databases
    facade: Facade
    legacy_url: str
    orders_url: str

    @contextlib.contextmanager
    def guest(self) -> Iterator[Customer]:
        """Somebody who is not logged in."""
        with contextlib.closing(Customer(self)) as guest:
            yield guest

    @contextlib.contextmanager
    def customer(self, number: int) -> Iterator[Customer]:
        """Somebody who is."""
        with self.guest() as customer:
            customer.as_customer(number)
            yield customer

    def at(self, side: str) -> sa.Engine:
        """A look into a database."""
        url = self.databases.shop if side == "legacy" else self.databases.orders
        return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))

    def value(self, side: str, statement: str) -> Any:
        """One value of one database."""
        engine = self.at(side)
        with engine.connect() as connection:
            found = connection.execute(sa.text(statement)).scalar()
        engine.dispose()
        return found

    def until(self, statement: str, wanted: Any, side: str = "orders") -> None:
        """Wait until one value is as wanted."""
        deadline = time.monotonic() + 60
        while (found := self.value(side, statement)) != wanted:
            assert time.monotonic() < deadline, f"{statement}: {found}, not {wanted}"
            time.sleep(0.05)


@contextlib.contextmanager
def samples(databases: Databases, folder: Path) -> Iterator[Samples]:
    """Both, running on free ports."""
    facade = Facade(folder)
    with (
        legacy(databases, folder) as (_, legacy_url),
        service(databases, facade, legacy_url) as (_, orders_url),
    ):
        yield Samples(databases, facade, legacy_url, orders_url)


def legacy(databases: Databases, folder: Path, port: int = 0) -> Any:
    """The monolith behind one proxy."""
    at = ("run", "--port", str(port), "--database", databases.shop)
    words = {"SHOP_INTERNAL_SECRET": SECRET, "SHOP_WHOAMI_SECRET": WHOAMI}
    return started("legacy_monolith", *at, SHOP_MEDIA=str(folder), TRUSTED_HOPS="1", **words)


def service(databases: Databases, facade: Facade, legacy_url: str) -> Any:
    """The service."""
    return started(
        "extracted.orders", "run", "--port", "0", "--database", databases.orders,
        ORDERS_LEGACY_URL=legacy_url, ORDERS_CATALOG_URL=legacy_url, ORDERS_LEGACY_SECRET=SECRET,
        ORDERS_IDENTITY_KEYS=str(facade.keys),
    )  # fmt: skip
