"""The sample shop of `up --demo`: seeded, with its new services beside it, and visited by realistic traffic.

The samples are programs of their own: we start them by name and never import them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from desk.children import die_with_parent
from desk.errors import DeskError
from desk.programs import ADMIN_HOST, Listener, Probe, Program, address, front
from migration.core.plan import Plan
from migration.secret import introspection_secret, project_secret

PRODUCTS, CUSTOMERS, ORDERS = 500, 200, 300  # enough for every planted difference, seeded in about a second
FAULTS = "type,rounding,missing"  # planted at the start, so that the first report has something to show
SERVICE = "catalog"
ORDERING = "orders"
VISITORS = "traffic"


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample shop of a plan: where its code is, where its databases go."""

    plan: Plan
    home: Path
    state: Path

    @property
    def shop(self) -> str:
        """The monolith's database URL."""
        return self.plan.legacy.database or f"sqlite:///{self.state / 'shop.db'}"

    @property
    def catalog(self) -> str:
        """The catalog's database URL."""
        return self._own(SERVICE)

    @property
    def orders(self) -> str | None:
        """The order service's database URL; None: the plan has no such service."""
        return self._own(ORDERING) if ORDERING in self.plan.services else None

    @property
    def followed(self) -> bool:
        """Whether the catalog is kept in step, and not a copy."""
        part = self.plan.slices.get(SERVICE)
        return part is not None and part.data == "sync"

    def _own(self, service: str) -> str:
        return self.plan.services[service].database or f"sqlite:///{self.state / service}.db"


def find(plan: Plan) -> Sample:
    """The sample shop, which is in the checkout and not in the wheel; DeskError when it is not there."""
    home = Path(__file__).resolve().parent.parent
    if not (home / "legacy_monolith").is_dir() or not (home / "extracted" / "catalog").is_dir():
        raise DeskError(
            f"The sample shop is not part of the installed package (looked in {home}).\n"
            "Next: clone the repository and run `make up` there, or start your own plan with: strangler up"
        )
    if SERVICE not in plan.services:
        raise DeskError(
            f"The plan {plan.path} names no service {SERVICE!r}, which the sample shop has.\n"
            "Next: use the repository's own plan.toml, or start your own plan without --demo"
        )
    return Sample(plan, home, Path(plan.state_dir).resolve() / "demo")


def prepare(sample: Sample, say: Callable[[str], None]) -> None:
    """Seed the shop once, and make the services' own databases; the catalog's is filled, if it is a copy."""
    mark = sample.state / "seeded"
    if not mark.exists():
        say(f"seeding the sample shop: {PRODUCTS} products, {CUSTOMERS} customers, {ORDERS} orders")
        shutil.rmtree(sample.state, ignore_errors=True)  # a seed that was interrupted half-way
        sample.state.mkdir(parents=True)
        sizes = ("--products", PRODUCTS, "--customers", CUSTOMERS, "--orders", ORDERS)
        _step(sample, "legacy_monolith", "seed", "--database", sample.shop, *map(str, sizes))
        mark.touch()
    if sample.followed:
        _step(sample, "extracted.catalog", "create-schema", "--database", sample.catalog)
    else:
        say("copying the catalog into the new service's own database")
        _step(sample, "extracted.catalog", "import", "--source", sample.shop, "--database", sample.catalog)
    if sample.orders is not None:
        _step(sample, "extracted.orders", "create-schema", "--database", sample.orders)


def plant(sample: Sample) -> None:
    """Make the three planted mistakes; the service has to run."""
    url = sample.plan.services[SERVICE].url
    _step(sample, "extracted.catalog", "faults", "set", FAULTS, "--url", url)
    _planted(sample).touch()


def is_first_start(sample: Sample) -> bool:
    """Whether the demonstration never came as far as its planted mistakes."""
    return not _planted(sample).exists()


def _planted(sample: Sample) -> Path:
    return sample.state / "planted"


def _step(sample: Sample, module: str, *words: str) -> None:
    argv = [sys.executable, "-m", module, *words]
    # In a session of its own: Ctrl-C must not leave half a seed behind.
    done = subprocess.run(
        argv,
        cwd=sample.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
        preexec_fn=die_with_parent,
        env={**os.environ, "PYTHONPATH": str(sample.home)},
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise DeskError(f"The sample shop could not be prepared: {said}\nNext: strangler doctor")


def upstreams(sample: Sample) -> tuple[Program, ...]:
    """The monolith and the services."""
    found = (_legacy(sample), _catalog(sample))
    return found if sample.orders is None else (*found, _orders(sample, sample.orders))


def _legacy(sample: Sample) -> Program:
    url = sample.plan.legacy.url
    environment = {
        # One proxy stands in front of it from now on: the facade.
        "TRUSTED_HOPS": "1",
        "SHOP_MEDIA": str(sample.state / "media"),
        "SHOP_WHOAMI_SECRET": introspection_secret(sample.plan.state_dir),
        "SHOP_INTERNAL_SECRET": _neighbours_secret(sample),
    }
    run = ("run", "--port", str(address(url)[1]), "--database", sample.shop)
    return Program("legacy", _python("legacy_monolith", *run), environment, Probe(url=f"{url}/healthz"))


def _catalog(sample: Sample) -> Program:
    url = sample.plan.services[SERVICE].url
    # Not planted by its environment: a service that is started again must not bring mended faults back.
    environment = {"CATALOG_DEMO": "1", "CATALOG_STOCK_URL": front(sample.plan)}
    run = ("run", "--port", str(address(url)[1]), "--database", sample.catalog)
    return Program("catalog", _python("extracted.catalog", *run), environment, Probe(url=f"{url}/readyz"))


def _orders(sample: Sample, database: str) -> Program:
    plan = sample.plan
    url = plan.services[ORDERING].url
    environment = {
        "ORDERS_LEGACY_URL": plan.legacy.url,
        "ORDERS_CATALOG_URL": front(plan),
        "ORDERS_LEGACY_SECRET": _neighbours_secret(sample),
        "ORDERS_IDENTITY_KEYS": f"http://{ADMIN_HOST}:{plan.facade.admin_port}/jwks.json",
    }
    run = ("run", "--port", str(address(url)[1]), "--database", database)
    return Program("orders", _python("extracted.orders", *run), environment, Probe(url=f"{url}/readyz"))


def _neighbours_secret(sample: Sample) -> str:
    """What the order service shows the monolith: derived, so that it needs no file of its own."""
    return hashlib.sha256(b"neighbours" + project_secret(sample.plan.state_dir)).hexdigest()


def traffic(sample: Sample, rate: int) -> Program:
    """The shop's visitors, `rate` new sessions a second."""
    return Program(VISITORS, _python("desk.demo", "--url", front(sample.plan), "--rate", str(rate)))


def shortened(name: str, line: str) -> str:
    """The visitors' account at their end is JSON for tests: a person gets its first numbers."""
    if name != VISITORS or not line.startswith("{"):
        return line
    try:
        told = json.loads(line)
        return f"{told['requests']:,} requests in {told['sessions']:,} sessions, {told['failed']:,} failed"
    except (ValueError, KeyError, TypeError):
        return line


def listeners(sample: Sample) -> tuple[Listener, ...]:
    """What the monolith and the services will bind."""
    services = [SERVICE] if sample.orders is None else [SERVICE, ORDERING]
    return (
        Listener(*address(sample.plan.legacy.url), "the sample monolith", "url under [legacy] in the plan"),
        *(
            Listener(
                *address(sample.plan.services[name].url),
                f"the sample {name} service",
                f"url under [services.{name}] in the plan",
            )
            for name in services
        ),
    )


def _python(module: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *words)
