"""docker-compose.yml cannot be started here (no container engine): its structure and its parts are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migration.plan_file import load_plan
from tests.architecture.plain_yaml import load
from tests.architecture.test_docs_commands import wrong
from tests.architecture.tree import REPO
from tools.servers.unleash import Unleash

COMPOSE: dict[str, Any] = load((REPO / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def test_it_has_the_servers_the_samples_and_our_processes() -> None:
    assert set(SERVICES) == {
        *("postgres", "unleash", "prepare"),
        *("legacy", "catalog", "orders", "facade", "shadow", "sync", "conductor", "visitors"),
    }


def test_it_says_that_it_is_not_started_by_a_test() -> None:
    assert "no test starts it" in (REPO / "docker-compose.yml").read_text(encoding="utf-8")


def test_every_foreign_image_has_an_exact_version() -> None:
    images = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert {image for image in images if not re.fullmatch(r"[\w/-]+:\d+\.\d+(\.\d+)?", image)} == set()


def test_unleash_is_the_version_that_the_tests_run() -> None:
    package = (REPO / "tools" / "unleash" / "package.json").read_text(encoding="utf-8")
    assert f'"unleash-server": "{SERVICES["unleash"]["image"].split(":")[1]}"' in package


def test_nothing_is_published_beyond_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_name_it_refers_to_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert service.get("network_mode", "service:facade").removeprefix("service:") in SERVICES
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (REPO / source).exists(), source


def test_a_service_in_the_facades_network_publishes_nothing_itself() -> None:
    assert [name for name, one in SERVICES.items() if "network_mode" in one and "ports" in one] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_command_of_ours_exists(name: str) -> None:
    words = OURS[name]["command"]
    if words[0] == "strangler":
        assert wrong(words) is None
    elif words[0] == "sh":
        assert (REPO / Path(words[1]).relative_to("/app")).exists()
    else:
        options = [word for word in words[3:] if word.startswith("--")]
        inner = words[3:4] if words[3] == "run" else []
        done = subprocess.run(
            [sys.executable, "-m", words[2], *inner, "--help"], cwd=REPO, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert [option for option in options if option not in done.stdout] == []


def test_its_plan_is_right_with_the_environment_it_gives() -> None:
    plan = load_plan(REPO / "plan.compose.toml", OURS["facade"]["environment"])
    assert plan.flags.kind == "unleash"
    assert plan.ledger.url.startswith("postgresql+psycopg://")


def test_its_tokens_are_of_the_shape_the_test_server_takes() -> None:
    ours, theirs = OURS["facade"]["environment"], SERVICES["unleash"]["environment"]
    assert ours["UNLEASH_TOKEN"] == theirs["INIT_BACKEND_API_TOKENS"]
    assert ours["UNLEASH_ADMIN_TOKEN"] == theirs["INIT_ADMIN_API_TOKENS"]
    assert ours["UNLEASH_TOKEN"].startswith(f"default:{Unleash.environment}.")
    assert ours["UNLEASH_ADMIN_TOKEN"].startswith("*:*.")


def test_every_database_it_names_is_created() -> None:
    created = set(re.findall(r"CREATE DATABASE (\w+)", (REPO / "tools/compose/databases.sql").read_text()))
    named = {
        value.rsplit("/", 1)[1]
        for service in SERVICES.values()
        for value in service.get("environment", {}).values()
        if re.match(r"postgres(ql\+psycopg)?://", value)
    }
    assert named == created


def test_the_image_takes_the_lock_and_keeps_the_current_folder_out_of_imports() -> None:
    text = (REPO / "Dockerfile").read_text(encoding="utf-8")
    assert "PYTHONSAFEPATH=1" in text
    assert "--require-hashes --only-binary :all: -r requirements.lock" in text


@pytest.mark.parametrize("broken", ["a: b: c", "a:\n  - x: y", "a: |\n  b", "a: 1\na: 2", "a: [1, 2"])
def test_what_the_reader_does_not_understand_is_an_error(broken: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        load(broken)


def test_the_script_that_prepares_is_a_shell_script() -> None:
    shell = shutil.which("sh")
    assert shell
    assert subprocess.run([shell, "-n", str(REPO / "tools/compose/prepare.sh")]).returncode == 0
