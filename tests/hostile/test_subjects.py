"""The proxies of the published table start with our settings, pass an ordinary request on, and end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hostile.backends import Backends
from tests.hostile.build import AT, CANARY, OWN, passed, request
from tests.hostile.case import Upstream
from tests.hostile.runner import run
from tests.hostile.subjects import AIOHTTP, OTHERS, Subject

PLACES = {"legacy": AT, "service": CANARY, "own": OWN}
ORDINARY = [
    replace(
        passed(to, "streaming", "Ordinary.", request("POST", at, body=b"abc"), Upstream(body=b"abc", to=to)),
        own=to == "own",
    )
    for to, at in PLACES.items()
]
SUBJECTS = [
    pytest.param(one, id=one.name, marks=[] if one is AIOHTTP else pytest.mark.services) for one in OTHERS
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_it_passes_ordinary_requests_on(subject: Subject, tmp_path: Path) -> None:
    with Backends(4) as backends, ExitStack() as running:
        port = subject.start(tmp_path, backends, running).port
        outcomes = run(("127.0.0.1", port), backends, ORDINARY, ours=False, at_once=2)
    assert [outcome.saw for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_it_says_its_version(subject: Subject) -> None:
    assert subject.version()[0].isdigit()
