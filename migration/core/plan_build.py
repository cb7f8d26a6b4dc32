"""From checked tables to the `Plan`: what no single value shows is refused here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from migration.core import plan_keys
from migration.core.plan import (
    EvidenceSettings,
    FacadeSettings,
    FlagSettings,
    KeySource,
    LedgerSettings,
    Legacy,
    Plan,
    Service,
    Slice,
)
from migration.core.plan_check import Document, Findings, Values, check_included, read_table, tables_of
from migration.core.plan_entities import Databases
from migration.core.plan_identity import build_identity
from migration.core.plan_key import check_name
from migration.core.plan_outside import Outside
from migration.core.plan_pairs import check_forms
from migration.core.plan_slices import Shapes, build_slice
from migration.core.plan_texts import Surroundings
from migration.core.toml_lines import Path
from migration.errors import PlanError

TOP_TABLES = ("legacy", "services", "key", "flags", "ledger", "evidence", "facade", "identity", "slices")
MAIN_ONLY = ("include", "state_dir", "legacy", "key", "flags", "ledger", "evidence", "facade", "identity")
# struct sockaddr_un holds 108 bytes on Linux, the closing NUL included (unix(7)); 104 on the BSDs.
SOCKET_PATH_MAX = 103
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - compared, never bound

T = TypeVar("T")


def build_plan(path: str, documents: Sequence[Document], around: Surroundings, outside: Outside) -> Plan:
    """The plan of the main document and the included ones; PlanError names every problem."""
    found = Findings(around)
    main = documents[0]
    for document in documents[1:]:
        check_included(document, MAIN_ONLY, found)
    top = read_table(plan_keys.TOP, main.data, main, (), found, beside=TOP_TABLES)
    single = _singles(main, found)
    services = _services(documents, found)
    databases = _databases(single["legacy"], services, outside)
    shapes = Shapes(single["facade"].get("methods", ()), tuple(services), databases)
    slices = _slices(documents, shapes, found)
    _check_singles(main, single, services, found)
    identity = build_identity(main, services, found)
    if found.problems:
        raise PlanError(found.problems)
    return Plan(
        path=path,
        hash=_hash(documents),
        legacy=Legacy(**single["legacy"]),
        services=MappingProxyType({name: Service(name=name, **values) for name, values in services.items()}),
        key=_key(single["key"]),
        flags=_flags(single["flags"]),
        ledger=LedgerSettings(**single["ledger"]),
        evidence=EvidenceSettings(**single["evidence"]),
        facade=FacadeSettings(**single["facade"]),
        slices=MappingProxyType(slices),
        state_dir=top["state_dir"],
        identity=identity,
        warnings=tuple(found.warnings),
    )


def _singles(main: Document, found: Findings) -> dict[str, Values]:
    tables = {
        "legacy": plan_keys.LEGACY,
        "key": plan_keys.KEY,
        "flags": plan_keys.FLAGS,
        "ledger": plan_keys.LEDGER,
        "evidence": plan_keys.EVIDENCE,
        "facade": plan_keys.FACADE,
    }
    return {
        name: read_table(table, main.data.get(name, {}), main, (name,), found)
        for name, table in tables.items()
    }


def _services(documents: Sequence[Document], found: Findings) -> dict[str, Values]:
    return dict(
        _named(
            "services", documents, found, lambda d, p, raw: read_table(plan_keys.SERVICE, raw, d, p, found)
        )
    )


def _databases(legacy: Values, services: Mapping[str, Values], outside: Outside) -> Databases:
    found = {name: values.get("database") for name, values in services.items()}
    return Databases(legacy.get("database"), found, outside)


def _slices(documents: Sequence[Document], shapes: Shapes, found: Findings) -> dict[str, Slice]:
    def one(document: Document, path: Path, raw: Any) -> Slice | None:
        return build_slice(raw, document, path, shapes, found)

    built = _named("slices", documents, found, one)
    slices = {name: part for name, part in built.items() if part is not None}
    check_forms(slices, shapes.placed, found)
    return slices


def _named(
    kind: str, documents: Sequence[Document], found: Findings, build: Callable[[Document, Path, Any], T]
) -> dict[str, T]:
    """Every table of a kind in all documents, by name; a name that two of them declare is a problem."""
    built: dict[str, T] = {}
    owners: dict[str, str] = {}
    for document in documents:
        for name, raw in tables_of(kind, document, found).items():
            _check_name(kind, name, document, found)
            if name in owners:
                found.add(
                    document, (kind, name), f"{kind}.{name} is also in {owners[name]}; keep one of them"
                )
                continue
            owners[name] = document.file
            built[name] = build(document, (kind, name), raw)
    return built


def _check_name(kind: str, name: str, document: Document, found: Findings) -> None:
    try:
        check_name(name)
    except ValueError as error:
        found.add(document, (kind, name), f"{kind}.{name}: {error}")


def _check_singles(
    main: Document, single: Mapping[str, Values], services: Mapping[str, Values], found: Findings
) -> None:
    _check_facade(main, single["facade"], single["legacy"], services, found)
    _check_flags(main, single["flags"], found)


def _check_facade(
    main: Document, facade: Values, legacy: Values, services: Mapping[str, Values], found: Findings
) -> None:
    port, admin = facade.get("port"), facade.get("admin_port")
    if port and port == admin:
        found.add(main, ("facade", "admin_port"), f"admin_port is the users' port {port}; choose another")
    tap = facade.get("tap", "")
    if len(tap.encode()) > SOCKET_PATH_MAX:
        sentence = f"tap: {tap!r} is too long for a socket; choose a path below {SOCKET_PATH_MAX} bytes"
        found.add(main, ("facade", "tap"), sentence)
    for where, values in {"legacy": legacy, **services}.items():
        if values.get("url") and port and _is_us(values["url"], port):
            path: Path = ("legacy", "url") if where == "legacy" else ("services", where, "url")
            found.add(main, path, f"{where}: url is the facade's own port {port}; name the server behind it")


def _is_us(url: str, port: int) -> bool:
    parts = urlsplit(url)
    return parts.port == port and parts.hostname in _LOOPBACK


def _check_flags(main: Document, flags: Values, found: Findings) -> None:
    kind, _place = flags.get("source", ("", ""))
    raw = main.data.get("flags", {})
    if kind == "unleash" and "token" not in raw:
        found.add(
            main,
            ("flags", "source"),
            'an Unleash source needs its backend token; add token = "env:UNLEASH_TOKEN"',
        )
    if flags.get("poll") == 0:
        found.add(main, ("flags", "poll"), "poll: 0 asks without a pause; write 1s")


def _key(values: Values) -> KeySource:
    kind, name = values["source"]
    return KeySource(kind, name, values["secret"])


def _flags(values: Values) -> FlagSettings:
    kind, location = values.pop("source")
    return FlagSettings(kind=kind, location=location, **values)


def _hash(documents: Sequence[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(f"{len(document.text)}:{document.text}".encode())
    return digest.hexdigest()[:16]
