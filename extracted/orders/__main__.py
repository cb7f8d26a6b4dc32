"""Create the tables, serve the orders, or do what is done every night."""

from __future__ import annotations

import argparse
import os
import sys
import threading

from flask import Flask

from extracted import serving
from extracted.identity import Keys, Verifier
from extracted.orders.app import create_app
from extracted.orders.calls import Calls
from extracted.orders.database import Database, create_schema
from extracted.orders.errors import OrdersError
from extracted.orders.place import Counter
from extracted.orders.settings import Settings, from_environment
from extracted.orders.shop import Shop
from extracted.orders.store import Store
from extracted.orders.web import House

COULD_NOT_RUN = 3
DATABASE = "sqlite:///var/orders.db"
NAME = "orders"  # of this service in the plan: identities are made out to it
INVOICES_AT_ONCE = 500


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    given = parser().parse_args(arguments)
    try:
        given.do(given)
    except (OrdersError, serving.CannotListen) as error:
        print(f"orders: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The three commands."""
    top = argparse.ArgumentParser(prog="python -m extracted.orders", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="create-schema | run | nightly")
    schema = commands.add_parser("create-schema", help="create the tables that are missing")
    schema.set_defaults(do=do_create_schema)
    run = commands.add_parser("run", help="serve the orders on the loopback interface")
    run.add_argument("--port", type=int, default=5003, help="0 takes any free port (default: 5003)")
    run.set_defaults(do=do_run)
    nightly = commands.add_parser("nightly", help="issue invoices, cancel, clean up: what cron runs")
    nightly.set_defaults(do=do_nightly)
    for command in (schema, run, nightly):
        command.add_argument(
            "--database", metavar="URL", default=DATABASE, help=f"the service's own (default: {DATABASE})"
        )
    return top


def do_create_schema(given: argparse.Namespace) -> None:
    """Create what is missing."""
    create_schema(given.database)
    print("the tables are there")


def do_run(given: argparse.Namespace) -> None:
    """Serve until a signal."""
    settings = from_environment(os.environ)
    try:
        shop = Shop(settings.legacy_url, settings.catalog_url, settings.secret)
    except ValueError as error:
        raise OrdersError(f"ORDERS_LEGACY_URL, ORDERS_CATALOG_URL: {error}") from error
    database = Database(given.database)
    listener = serving.listen(given.port)
    try:
        Store(database).ready()
    except OrdersError as error:
        raise OrdersError(f"{error}; make it with: python -m extracted.orders create-schema") from error
    database.close()  # a connection must not live on both sides of gunicorn's fork
    print(f"orders on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    serving.Server(lambda: wired(settings, database, shop), listener).run()


def wired(settings: Settings, database: Database, shop: Shop) -> Flask:
    """The application with its thread, in the process that serves."""
    store, calls = Store(database), Calls(database, shop)
    threading.Thread(target=calls.run, name="calls", daemon=True).start()
    verifier = Verifier(NAME, Keys(settings.keys))
    return create_app(House(settings, store, shop, calls, Counter(store, shop, calls), verifier))


def do_nightly(given: argparse.Namespace) -> None:
    """Each step is a transaction of its own, or several."""
    store = Store(Database(given.database))
    issued = 0
    while done := store.invoice(INVOICES_AT_ONCE):
        issued += done
    print(f"{issued:6d} invoices issued")
    print(f"{store.cancel_unpaid():6d} unpaid orders cancelled")
    print(f"{store.forget_answers():6d} old answers forgotten")


if __name__ == "__main__":
    sys.exit(main())
