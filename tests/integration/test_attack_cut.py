"""What extracted did to a user counts against it, also where the user saw the half of an answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from migration.core.stages import ReadStage
from tests.integration.facade_backend_process import Backend
from tests.integration.facade_bench import RawClient, request, until
from tests.integration.facade_process import SHOW, facade
from tests.integration.test_facade_evidence import Listening


@pytest.mark.parametrize("declared", ["", "effects_free = true"])
def test_an_answer_that_extracted_breaks_off_is_its_failure(tmp_path: Path, declared: str) -> None:
    shadow = Listening(tmp_path / ".strangler" / "tap.sock")
    try:
        with (
            Backend("legacy") as legacy,
            Backend("extracted") as service,
            facade(tmp_path, legacy.url, service.url, key="header:X-Key", route_extra=declared) as front,
        ):
            until(lambda: front.metric("strangler_tap_connected") == 1, "the tap")
            front.serves(SHOW, ReadStage.CANARY, 100, 100)
            with RawClient(front.port) as client:
                client.send(request("GET", "/api/products/1?do=half&kb=400", "X-Key: k"))
                client.socket.recv(1, socket.MSG_PEEK)
                service.kill()
                assert not client.reply().whole
            (exchange,) = until(lambda: shadow.exchanges, "the failure")
    finally:
        shadow.close()
    assert (exchange.answered_by, exchange.fallback, exchange.status) == ("legacy", True, 200)
    assert (exchange.response_headers, exchange.body) == ([], b"")
