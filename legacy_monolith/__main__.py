"""Start the shop, fill its database, or run its nightly job."""

import argparse
import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from . import db
from .settings import SettingsError, read_settings

CANNOT_START = 3


def main(arguments=None):
    given = parse(arguments)
    try:
        # So that the people of the database know which of us it is.
        os.environ.setdefault("PGAPPNAME", "shop-nightly" if given.do is do_nightly else "shop")
        settings = read_settings(given.database)
        db.init_db(settings)
        given.do(given, settings)
    except (SettingsError, OSError, SQLAlchemyError) as error:
        print(f"legacy_monolith: {explain(error, given)}", file=sys.stderr)
        return CANNOT_START
    except KeyboardInterrupt:
        return 130
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m legacy_monolith", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="seed | run | nightly")
    seed = command(commands, "seed", do_seed, "fill an empty database")
    sizes(seed)
    run = command(commands, "run", do_run, "serve the shop on the loopback interface")
    run.add_argument("--port", type=port, default=5001, help="0 takes any free port (default: 5001)")
    run.add_argument("--seed-if-empty", action="store_true", help="seed first when there is no product yet")
    sizes(run)
    command(commands, "nightly", do_nightly, "issue invoices, cancel, clean up: what cron runs")
    return parser.parse_args(arguments)


def command(commands, name, do, text):
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--database", metavar="URL", help="instead of SHOP_DATABASE")
    parser.set_defaults(do=do)
    return parser


def sizes(parser):
    parser.add_argument("--products", type=count, default=500)
    parser.add_argument("--customers", type=count, default=200)
    parser.add_argument("--orders", type=count, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="another number, other goods (default: 1)")


def port(text):
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return number


def count(text):
    number = int(text)
    if not 0 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("must be from 0 to 10,000,000")
    return number


def do_seed(given, _settings):
    from .seed import seed

    if not db.is_empty():
        raise SettingsError("the database already has products; seed an empty one")
    seed(given.products, given.customers, given.orders, given.seed)
    print(f"seeded {given.products} products, {given.customers} customers, {given.orders} orders")


def do_run(given, settings):
    from .app import create_app
    from .server import Server, listen

    listener = listen(given.port)
    if given.seed_if_empty and db.is_empty():
        do_seed(given, settings)
    db.create_schema()
    settings.media.mkdir(parents=True, exist_ok=True)
    db.engine.dispose()  # a connection must not live on both sides of gunicorn's fork
    print(f"shop on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    Server(lambda: create_app(settings), listener).run()


def do_nightly(_given, _settings):
    from .nightly import run_nightly

    for what, changed in run_nightly():
        print(f"{changed:6d} {what}")


def explain(error, given):
    """One line: what happened, where, and what to do."""
    if isinstance(error, SQLAlchemyError):
        where = db.engine.url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return f"cannot use the database {where}: {reason}; start it, or give another by --database"
    if isinstance(error, OSError) and getattr(given, "port", None) is not None and error.filename is None:
        why = error.strerror or error
        return f"cannot listen on 127.0.0.1:{given.port}: {why}; stop what is there, or give another --port"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
