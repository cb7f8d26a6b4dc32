"""The plan, the ledger and the flags under which the suite's facade runs."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import orjson

from migration.bootstrap import open_ledger
from migration.core.flag_edits import empty_document, set_share
from migration.core.stages import ReadStage
from tests.hostile.backends import Backends

_PLAN = """
[legacy]
url = "{legacy}"
timeout = "3s"
[key]
source = "header:X-Key"
[flags]
source = "file:.strangler/flags.json"
poll = "200ms"
[facade]
port = {port}
admin_port = {admin_port}
{extra}
[services.shop]
url = "{service}"
timeout = "2s"
[services.named]
url = "{service}"
timeout = "2s"
host = "set"
[slices.shop]
owner = "team"
service = "shop"
data = "import"
"""
_MOVE = (
    "UPDATE route_state SET stage = ?, cap_pct = ?, applied_pct = ?, version = version + 1 WHERE route = ?"
)
# name: (match, further lines, stage, share)
_ROUTES: dict[str, tuple[str, str, ReadStage, int]] = {
    "live": ("GET /live/{rest:path}", "", ReadStage.LIVE, 100),
    "live_post": ("POST /live/{rest:path}", "", ReadStage.LIVE, 100),
    "canary": ("GET /canary/{rest:path}", "", ReadStage.CANARY, 100),
    "some": ("GET /some/{rest:path}", "", ReadStage.CANARY, 50),
    "internal": ("GET /internal/{rest:path}", 'visibility = "internal"', ReadStage.LEGACY, 0),
    "named": ("GET /named/{rest:path}", 'service = "named"', ReadStage.LIVE, 100),
    "item": ("GET /item/{id:int}", "", ReadStage.LIVE, 100),
    "list": ("GET /list", "", ReadStage.LIVE, 100),
    "still": ("GET /still/{id:int}", "", ReadStage.LEGACY, 0),
    "ws": ("GET /ws/{rest:path}", "websocket = true", ReadStage.LEGACY, 0),
    "ws_live": ("GET /wslive/{rest:path}", "websocket = true", ReadStage.LIVE, 100),
}


def write_plan(directory: Path, backends: Backends, port: int, admin_port: int, extra: str = "") -> Path:
    """Write plan, ledger and flags into `directory`, which they then stand in; the plan's path."""
    text = [
        _PLAN.format(
            legacy=backends.url("legacy"),
            service=backends.url("service"),
            port=port,
            admin_port=admin_port,
            extra=extra,
        )
    ]
    stages: dict[str, tuple[ReadStage, int]] = {}
    for name, (match, lines, stage, share) in _ROUTES.items():
        text.append(_route("shop", name, match, lines))
        stages[f"shop.{name}"] = stage, share
    text.append('[slices.own]\nowner = "team"\nservice = "own000"\ndata = "import"\n')
    for at, url in enumerate(backends.own_urls):
        text.append(f'[services.own{at:03d}]\nurl = "{url}"\ntimeout = "5s"\n')
    for at in range(backends.slots):
        for kind, stage in (("own", ReadStage.RETIRED), ("fall", ReadStage.LIVE)):
            for method in ("GET", "POST"):
                name = f"{kind}_{method.lower()}{at:03d}"
                match = f"{method} /{kind}/{at:03d}/{{rest:path}}"
                text.append(_route("own", name, match, f'service = "own{at:03d}"'))
                stages[f"own.{name}"] = stage, 100
    path = directory / "plan.toml"
    path.write_text("\n".join(text), "utf-8")
    (directory / ".strangler").mkdir(exist_ok=True)
    _write_rows(directory / ".strangler" / "ledger.db", stages)
    _write_flags(directory / ".strangler" / "flags.json", stages)
    return path


def _route(part: str, name: str, match: str, lines: str) -> str:
    return f'[[slices.{part}.routes]]\nname = "{name}"\nmatch = "{match}"\n{lines}\n'


def _write_rows(file: Path, stages: dict[str, tuple[ReadStage, int]]) -> None:
    """All rows in one transaction: one for each would take as long as the cases."""
    moved = {route: state for route, state in stages.items() if state[0] is not ReadStage.LEGACY}
    ledger = open_ledger(f"sqlite:///{file}", create=True)
    try:
        ledger.ensure(moved)
    finally:
        ledger.close()
    rows = [(stage.value, share, share, route) for route, (stage, share) in moved.items()]
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(_MOVE, rows)


def _write_flags(file: Path, stages: dict[str, tuple[ReadStage, int]]) -> None:
    document = empty_document()
    for route, (stage, share) in stages.items():
        if stage is not ReadStage.RETIRED:  # nobody asks for the flag of a retired route
            document = set_share(document, f"strangler.{route}", share)
    file.write_bytes(orjson.dumps(document))
