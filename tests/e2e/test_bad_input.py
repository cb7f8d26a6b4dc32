"""Given wrong files, taken ports, full disks and absent servers, then each is told and users are served."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.bystander import memory, unharmed
from tests.e2e.load import NAVIGATION
from tests.e2e.system import Backend, System, eventually

pytestmark = pytest.mark.slow
ROUTE = "catalog.show_product"
PRODUCTS = 100
VISITORS = 40


def _can_mount() -> bool:
    """Whether this process may mount a file system: root outside of a container, most of the time."""
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(OSError):
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False)
        return done.returncode == 0 and _unmount(Path(place))
    return False


def _unmount(place: Path) -> bool:
    return subprocess.run(["umount", "--lazy", str(place)], check=False).returncode == 0


MOUNTS = _can_mount()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Half of the keys of show_product on the service, everything mirrored, little room for evidence."""
    home = tmp_path_factory.mktemp("bad-input")
    small = home / "small"
    small.mkdir()
    if MOUNTS:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True)
    system = System(home, Backend("embedded", evidence=f"sqlite:///{small}/evidence.db"), products=PRODUCTS)
    try:
        system.seed()
        system.start("legacy", "catalog", "facade", "shadow", "conductor")
        system.strangler("shadow", "start", ROUTE, "--sample", "100")
        system.strangler("shift", ROUTE, "--to", "50", "--override", "half of the keys, for this test")
        yield system
    finally:
        system.stop()
        if MOUNTS:
            _unmount(small)


@pytest.fixture(scope="module")
def cookies(system: System) -> list[str]:
    """Visitors who have been here before, some of them on the service."""
    found = [httpx.get(f"{system.url}/", headers=NAVIGATION).headers["Set-Cookie"] for _ in range(VISITORS)]
    cookies = [one.split(";")[0] for one in found]
    eventually("some of them are moved", lambda: 5 < sum(_moved(system, cookies)) < VISITORS - 5, within=60)
    return cookies


def _moved(system: System, cookies: list[str]) -> list[bool]:
    """For each of them, whether the service answers."""
    with httpx.Client(base_url=system.url, timeout=10) as client:
        answers = [client.get("/api/products/17", headers={"Cookie": one}) for one in cookies]
    assert {one.status_code for one in answers} == {200}
    return [one.headers["X-Build"].startswith("catalog") for one in answers]


def readiness(system: System) -> Any:
    """What the facade says of itself."""
    return httpx.get(f"{system.admin_url}/readyz", timeout=5).json()


# -- plans -----------------------------------------------------------------------------------------

WRONG_PLANS = {
    "no TOML": ("[legacy]", "[legacy", ("plan.toml:2",)),
    "a misspelt key": ("trusted_hops", "trusted_hopps", ("plan.toml:5", "did you mean trusted_hops")),
    "no number of hops": ("trusted_hops = 1", 'trusted_hops = "one"', ("plan.toml:5",)),
    "no duration": ('timeout = "2s"', 'timeout = "soon"', ("plan.toml:8", "is no duration")),
    "a port out of range": ("admin_port = ", "admin_port = 7", ("plan.toml:25", "from 1 to 65535")),
    "no address": ('url = "http:', 'url = "gopher:', ("plan.toml:3", "gopher")),
    "slices that are not there": ("slices/*.toml", "slizes/catalog.toml", ("plan.toml:1",)),
    "a secret that is not set": (
        "admin_port = ",
        'admin_token = "env:NOT_SET"\nadmin_port = ',
        ("plan.toml:25", "NOT_SET"),
    ),
}


@pytest.mark.parametrize(("before", "after", "told"), WRONG_PLANS.values(), ids=WRONG_PLANS)
def test_a_facade_refuses_to_start_on_a_wrong_plan(
    tmp_path: Path, before: str, after: str, told: tuple[str, ...]
) -> None:
    system = System(tmp_path, Backend("embedded"))
    text = system.plan.read_text()
    assert before in text
    system.plan.write_text(text.replace(before, after, 1))
    said = system.strangler("run", "facade", code=3, timeout=20)
    assert said.out == ""
    assert all(part in said.err for part in told), said.err


@pytest.mark.alone
def test_a_plan_edited_wrongly_while_running_is_told_and_the_last_good_one_is_served(
    system: System, cookies: list[str]
) -> None:
    whole, before = system.plan.read_text(), _moved(system, cookies)
    with unharmed(system):
        system.plan.write_text(whole.replace("trusted_hops", "trusted_hopps"))
        problem = eventually("it is told", lambda: readiness(system)["plan"]["problem"], within=60)
        assert "plan.toml:5" in problem
        assert "trusted_hops" in problem
        assert httpx.get(f"{system.admin_url}/readyz").status_code == 200, "it goes on serving"
        assert _moved(system, cookies) == before
        system.processes["facade"].wait_for_line("plan_refused", within=60)
        for name in ("shadow", "conductor"):
            system.processes[name].wait_for_line("trusted_hops", within=60)
        system.plan.write_text(whole)
        eventually("it is well again", lambda: not readiness(system)["plan"]["problem"], within=60)
    assert all(process.running for process in system.processes.values())


# -- words a person types --------------------------------------------------------------------------

MISTYPED = {
    "shadow start of an unknown route": (("shadow", "start", "catalog.shwo_product"), ROUTE),
    "route get of an unknown route": (("route", "get", "catalog.showproduct"), ROUTE),
    "gate check of an unknown route": (("gate", "check", "show_prodct"), ROUTE),
    "rollback of an unknown route": (("rollback", "katalog.show_product"), ROUTE),
    "a report of an unknown route": (("report", "catalog.show_products"), ROUTE),
    "advance of an unknown route": (("advance", "catalog.list_product"), "catalog.list_products"),
    "a sample of 33.5": (("shadow", "start", ROUTE, "--sample", "33.5"), "from 0 to 100"),
    "a sample of 150": (("shadow", "start", ROUTE, "--sample", "150"), "from 0 to 100"),
    "a gate for abc": (("gate", "check", ROUTE, "--to", "abc"), "from 0 to 100"),
    "a rollback to -1": (("rollback", ROUTE, "--to", "-1"), "from 0 to 100"),
}


@pytest.mark.parametrize(("words", "told"), MISTYPED.values(), ids=MISTYPED)
def test_what_is_mistyped_is_told_and_changes_nothing(
    system: System, words: tuple[str, ...], told: str
) -> None:
    before = system.strangler("audit", "--json").json["rows"]
    said = system.strangler(*words, code=2)
    assert told in said.err
    assert said.out == ""
    assert system.strangler("audit", "--json").json["rows"] == before


# -- ports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "setting"), [("facade", "facade.port"), ("admin", "facade.admin_port")])
def test_a_port_in_use_is_told_with_the_setting_that_moves_it(
    tmp_path: Path, name: str, setting: str
) -> None:
    system = System(tmp_path, Backend("embedded"))
    with socket.create_server(("127.0.0.1", system.ports[name])):
        said = system.strangler("run", "facade", code=3, timeout=20)
    assert f"127.0.0.1:{system.ports[name]}" in said.err
    assert setting in said.err


@pytest.mark.alone
def test_a_second_facade_does_not_take_half_of_the_traffic(system: System) -> None:
    with unharmed(system):
        said = system.strangler("run", "facade", code=3, timeout=20)
    assert "admin_port" in said.err


# -- flags -----------------------------------------------------------------------------------------


def _rollout(text: str, share: object) -> bytes:
    document = json.loads(text)
    flag = next(one for one in document["features"] if one["name"] == f"strangler.{ROUTE}")
    flag["strategies"][0]["parameters"]["rollout"] = share
    return json.dumps(document).encode()


CORRUPT: dict[str, Callable[[str], bytes]] = {
    "half of a file": lambda text: text.encode()[: len(text) // 2],
    "nothing": lambda text: b"",
    "no text": lambda text: bytes(range(256)) * 40,
    "no object": lambda text: b"[1, 2, 3]",
    "a list without end": lambda text: b"[" * 200_000,
    "20 MB of blanks": lambda text: text.encode() + b" " * 20_000_000,
    "each flag twice": lambda text: json.dumps(
        {"version": 1, "features": json.loads(text)["features"] * 2}
    ).encode(),
}
WRONG_SHARES = ["33.5", "150", "-1", "abc", None]


@pytest.fixture
def flags(system: System) -> Iterator[Path]:
    """The flag file, whole again afterwards."""
    path = system.home / ".strangler" / "flags.json"
    text = path.read_bytes()
    yield path
    path.write_bytes(text)
    eventually("the flags are read again", lambda: not readiness(system)["flags"]["problem"], within=60)


@pytest.mark.alone
def test_a_flag_file_that_becomes_corrupt_moves_nobody(
    system: System, cookies: list[str], flags: Path
) -> None:
    before, text = _moved(system, cookies), flags.read_text()
    with unharmed(system):
        for name, corrupt in CORRUPT.items():
            flags.write_bytes(corrupt(text))
            told = eventually(f"{name} is told", lambda: readiness(system)["flags"]["problem"], within=60)
            assert len(told) < 1_000
            assert _moved(system, cookies) == before, name
            flags.write_text(text)
            eventually("it is well again", lambda: not readiness(system)["flags"]["problem"], within=60)
    assert all(process.running for process in system.processes.values())


@pytest.mark.parametrize("share", WRONG_SHARES, ids=repr)
def test_a_share_that_is_no_percentage_moves_nobody(
    system: System, cookies: list[str], flags: Path, share: object
) -> None:
    before, text = _moved(system, cookies), flags.read_text()
    flags.write_bytes(_rollout(text, share))
    found = system.strangler("flags", "lint", code=1)
    assert f"strangler.{ROUTE}" in found.out
    eventually("it is told", lambda: "kept" in system.strangler("route", "get", ROUTE).out, within=60)
    assert _moved(system, cookies) == before
    assert all(process.running for process in system.processes.values())


def test_a_facade_that_starts_on_a_corrupt_flag_file_serves_what_it_served(
    system: System, cookies: list[str], flags: Path
) -> None:
    before = _moved(system, cookies)
    flags.write_bytes(b'{"features": [')
    system.kill("facade")
    system.start("facade")
    assert _moved(system, cookies) == before
    told = eventually("it is told", lambda: readiness(system)["flags"]["problem"], within=60)
    assert "flags.json" in told


# -- a legacy that is away -------------------------------------------------------------------------


def test_a_facade_without_legacy_serves_what_has_moved_and_recovers_by_itself(
    system: System, cookies: list[str]
) -> None:
    before = _moved(system, cookies)
    on_the_service = next(one for one, moved in zip(cookies, before, strict=True) if moved)
    system.kill("facade")
    system.kill("legacy")
    system.start("facade")
    for method, path in (("GET", "/"), ("POST", "/cart/add"), ("GET", "/api/products/17")):
        answer = httpx.request(method, f"{system.url}{path}", timeout=10)
        assert answer.status_code in (502, 503)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "legacy" in answer.json()["detail"]
    moved = httpx.get(f"{system.url}/api/products/17", headers={"Cookie": on_the_service}, timeout=10)
    assert (moved.status_code, moved.headers["X-Build"][:7]) == (200, "catalog")
    assert httpx.get(f"{system.admin_url}/readyz", timeout=5).status_code == 200
    system.start("legacy")
    eventually("legacy is found again", lambda: httpx.get(f"{system.url}/").status_code == 200, within=60)
    assert _moved(system, cookies) == before


# -- a full disk -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _file_limit(system: System) -> Iterator[None]:
    """Shadow's files grow no further."""
    pid = system.processes["shadow"].pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (8_192, before[1]))
    yield
    if "shadow" in system.processes and system.processes["shadow"].pid == pid:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _filled(system: System) -> Iterator[None]:
    """The file system of the evidence has no room."""
    filler = system.home / "small" / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4_096)):
            pass
    yield
    filler.unlink()


DISKS = {"its files may not grow": _file_limit, **({"no space is left": _filled} if MOUNTS else {})}


@pytest.mark.alone
@pytest.mark.parametrize("full", DISKS.values(), ids=DISKS)
def test_a_full_disk_for_evidence_is_told_and_loses_nothing_that_memory_can_hold(
    system: System, full: Any
) -> None:
    shadow = system.processes["shadow"]
    before = memory(shadow.pid)
    said_before = shadow.log(1_000_000).count("evidence_write_failed")
    with unharmed(system):
        with full(system):
            eventually(
                "shadow says so",
                lambda: shadow.log(1_000_000).count("evidence_write_failed") > said_before,
                within=60,
            )
            said = system.strangler("report", ROUTE, code=None)
            assert said.code in (0, 1, 3, 4), said
        assert shadow.running
        shadow.wait_for_line("evidence is written again", within=60)
    assert memory(shadow.pid) - before < 64 * 1024
    _accounted(system)


@pytest.mark.alone
def test_what_a_full_disk_kept_from_being_written_is_counted_as_lost_when_shadow_dies(
    system: System,
) -> None:
    before = _not_compared(system)
    with unharmed(system):
        with _file_limit(system):
            system.processes["shadow"].wait_for_line("evidence_write_failed", within=60)
            began = _tapped(system)
            eventually("more is tapped", lambda: _tapped(system) > began + 100, within=60)
            system.kill("shadow")
        system.start("shadow")
    _accounted(system)
    assert _not_compared(system) > before


def _tapped(system: System) -> float:
    return system.metric("strangler_tap_exchanges_total")


def _not_compared(system: System) -> int:
    counts = system.report("show_product")["traffic"]
    return int(counts["outcomes"].get("lost", 0)) + sum(counts["not_compared"].values())


def _accounted(system: System) -> None:
    """Every exchange that could have been compared was, or is counted with a reason."""

    def balanced() -> bool:
        counts = system.report("show_product")["traffic"]
        compared, left_out = sum(counts["outcomes"].values()), sum(counts["not_compared"].values())
        return bool(counts["in_flight"] == 0 and counts["eligible"] == compared + left_out)

    eventually(
        "every eligible exchange is accounted for", balanced, within=60, every=0.3,
        show=lambda: system.report("show_product")["traffic"],
    )  # fmt: skip
