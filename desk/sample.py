"""The sample shop of `up --demo`: seeded, copied into the new service, and visited by realistic traffic.

The samples are programs of their own: we start them by name and never import them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from desk.errors import DeskError
from desk.programs import Listener, Probe, Program, address, front
from migration.core.plan import Plan

PRODUCTS, CUSTOMERS, ORDERS = 500, 200, 300  # enough for every planted difference, seeded in about a second
FAULTS = "type,rounding,missing"  # planted at the start, so that the first report has something to show
SERVICE = "catalog"
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
        return f"sqlite:///{self.state / 'shop.db'}"

    @property
    def catalog(self) -> str:
        """The service's database URL."""
        return f"sqlite:///{self.state / 'catalog.db'}"


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
    """Seed the shop once, and copy its catalog into the service's own database."""
    mark = sample.state / "seeded"
    if not mark.exists():
        say(f"seeding the sample shop: {PRODUCTS} products, {CUSTOMERS} customers, {ORDERS} orders")
        shutil.rmtree(sample.state, ignore_errors=True)  # a seed that was interrupted half-way
        sample.state.mkdir(parents=True)
        sizes = ("--products", PRODUCTS, "--customers", CUSTOMERS, "--orders", ORDERS)
        _step(sample, "legacy_monolith", "seed", "--database", sample.shop, *map(str, sizes))
        mark.touch()
    say("copying the catalog into the new service's own database")
    _step(sample, "extracted.catalog", "import", "--source", sample.shop, "--database", sample.catalog)


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
        env={**os.environ, "PYTHONPATH": str(sample.home)},
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise DeskError(f"The sample shop could not be prepared: {said}\nNext: strangler doctor")


def upstreams(sample: Sample) -> tuple[Program, ...]:
    """The monolith and the service."""
    legacy, service = sample.plan.legacy.url, sample.plan.services[SERVICE].url
    shop_env = {
        # One proxy stands in front of it from now on: the facade.
        "TRUSTED_HOPS": "1",
        "SHOP_MEDIA": str(sample.state / "media"),
    }
    # Not planted by its environment: a service that is started again must not bring mended faults back.
    # It asks the facade for the stock: that one knows who owns it today.
    catalog_env = {"CATALOG_DEMO": "1", "CATALOG_STOCK_URL": front(sample.plan)}
    return (
        Program(
            "legacy",
            _python("legacy_monolith", "run", "--port", str(address(legacy)[1]), "--database", sample.shop),
            shop_env,
            Probe(url=f"{legacy}/healthz"),
        ),
        Program(
            "catalog",
            _python(
                "extracted.catalog", "run", "--port", str(address(service)[1]), "--database", sample.catalog
            ),
            catalog_env,
            Probe(url=f"{service}/readyz"),
        ),
    )


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
    """What the monolith and the service will bind."""
    legacy, service = address(sample.plan.legacy.url), address(sample.plan.services[SERVICE].url)
    return (
        Listener(*legacy, "the sample monolith", "url under [legacy] in the plan"),
        Listener(*service, "the sample catalog service", f"url under [services.{SERVICE}] in the plan"),
    )


def _python(module: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *words)
