"""Create the tables, import the monolith's catalog once, serve it, or switch the planted faults."""

from __future__ import annotations

import argparse
import os
import sys
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from extracted import serving
from extracted.catalog import database, faults
from extracted.catalog.errors import CatalogError
from extracted.catalog.importer import run_import
from extracted.catalog.settings import from_environment
from extracted.catalog.shelves import Shelves
from extracted.catalog.store import Store
from extracted.catalog.web import create_app

COULD_NOT_RUN = 3
DATABASE = "sqlite:///var/catalog.db"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    given = parser().parse_args(arguments)
    try:
        given.do(given)
    except (CatalogError, serving.CannotListen) as error:
        print(f"catalog: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The four commands."""
    top = argparse.ArgumentParser(prog="python -m extracted.catalog", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="create-schema | import | run | faults")
    schema = commands.add_parser("create-schema", help="create the tables that are missing")
    schema.set_defaults(do=do_create_schema)
    one = commands.add_parser("import", help="copy the monolith's catalog into the catalog's own database")
    one.add_argument("--source", metavar="URL", required=True, help="the monolith's database")
    one.add_argument(
        "--source-tz", metavar="ZONE", default="Europe/Berlin", type=zone, help="of its local times"
    )
    one.set_defaults(do=do_import)
    run = commands.add_parser("run", help="serve the catalog on the loopback interface")
    run.add_argument("--port", type=int, default=5002, help="0 takes any free port (default: 5002)")
    run.set_defaults(do=do_run)
    for command in (schema, one, run):
        command.add_argument(
            "--database", metavar="URL", default=DATABASE, help=f"the catalog's (default: {DATABASE})"
        )
    switch = commands.add_parser("faults", help="planted mistakes: show, set type,rounding,missing, clear")
    switch.add_argument("action", choices=("show", "set", "clear"))
    switch.add_argument("names", nargs="?", default="", help="for set: type,rounding,missing or some of them")
    switch.add_argument("--url", default="http://127.0.0.1:5002")
    switch.set_defaults(do=do_faults)
    return top


def zone(name: str) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"there is no time zone {name!r}; for example Europe/Berlin"
        ) from error


def do_create_schema(given: argparse.Namespace) -> None:
    """Create what is missing."""
    database.open_or_create(given.database).dispose()
    print("the tables are there")


def do_import(given: argparse.Namespace) -> None:
    """Copy, and say how much."""
    source = database.open_existing(given.source)
    target = database.open_or_create(given.database)
    done = run_import(source, target, given.source_tz, show_progress)
    print(
        f"imported {done.products} products and {done.categories} categories,"
        f" removed {done.removed}, in {done.seconds:.1f} s"
    )


def show_progress(done: int, total: int) -> None:
    """One line on a terminal; elsewhere a line for every tenth chunk or so."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} products", end="\n" if done >= total else "", file=sys.stderr, flush=True)
    elif done >= total or done % 5000 == 0:
        print(f"{done} of {total} products", file=sys.stderr)


def do_run(given: argparse.Namespace) -> None:
    """Serve until a signal."""
    settings = from_environment(os.environ)
    try:
        shelves = Shelves(settings.stock_url)
    except ValueError as error:
        raise CatalogError(f"CATALOG_STOCK_URL: {error}") from error
    listener = serving.listen(given.port)
    engine = database.open_existing(given.database, serving.THREADS)
    store = Store(engine)
    try:
        with database.errors_of(engine):
            products = store.ready()
    except CatalogError as error:
        raise CatalogError(
            f"{error}; fill it with: python -m extracted.catalog import --source URL"
        ) from error
    engine.dispose()  # a connection must not live on both sides of gunicorn's fork
    switch = faults.Switch(settings.faulty)
    print(f"catalog on http://127.0.0.1:{listener.getsockname()[1]} with {products} products", flush=True)
    serving.Server(lambda: create_app(store, settings, switch, shelves), listener).run()


def do_faults(given: argparse.Namespace) -> None:
    """Show or switch, and print what is active afterwards."""
    try:
        wanted = faults.names(faults.parse(name for name in given.names.split(",") if name))
    except ValueError as error:
        raise CatalogError(str(error)) from error
    if given.action == "set" and not wanted:
        raise CatalogError("name the faults to set: type,rounding,missing, or some of them")
    answer = ask(given.url, None if given.action == "show" else wanted if given.action == "set" else [])
    print(f"faults: {', '.join(answer['faults']) or 'none'} (build {answer['build']})")


def ask(url: str, wanted: list[str] | None) -> dict[str, list[str]]:
    """The active faults at `url`, after making `wanted` active. Raises CatalogError."""
    try:
        where = httpx.URL(url).join("/_faults")
        with httpx.Client(timeout=5, trust_env=False) as client:
            answer = client.get(where) if wanted is None else client.put(where, json={"faults": wanted})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CatalogError(
            f"{url} does not answer: {error}; start it with: python -m extracted.catalog run"
        ) from error
    if answer.status_code != 200:
        raise CatalogError(f"{url} has no faults to switch: start it on this machine with CATALOG_DEMO=1")
    found: dict[str, list[str]] = answer.json()
    return found


if __name__ == "__main__":
    sys.exit(main())
