"""The reference pages say what the facade serves and reads."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from facade.settings import Limits, SettingsError, read_limits
from tests.integration.facade_bench import RawUpstream, ask, ok
from tests.integration.facade_process import ROOT, facade

METRICS = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
SETTINGS = (ROOT / "docs/reference/settings.md").read_text("utf-8")


def test_every_metric_is_on_its_page_with_its_labels(tmp_path: Path) -> None:
    with RawUpstream(lambda _g, _s: ok(b"x")) as legacy, facade(tmp_path, legacy.url) as front:
        ask(front.port, "GET", "/api/products/1")
        text = front.admin("/metrics")[1]
    served = set(re.findall(r"^# TYPE (\w+) ", text, re.M))
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*) \|", METRICS, re.M))
    assert served == set(rows)
    for name, labels in re.findall(r"^(\w+?)(?:_bucket|_sum|_count)?\{(.*)\} ", text, re.M):
        found = [label for label in re.findall(r'(\w+)="', labels) if label != "le"]
        assert found == re.findall(r"`(\w+)`", rows[name]), name


def test_every_timer_is_on_its_page_with_its_default() -> None:
    rows = re.findall(r"^\| `STRANGLER_FACADE_(\w+)` \| (\S+) \| .+ \|$", SETTINGS, re.M)
    assert [name for name, _ in rows] == [field.name.upper() for field in dataclasses.fields(Limits)]
    assert [float(value) for _, value in rows] == [field.default for field in dataclasses.fields(Limits)]


def test_timers_are_read_from_the_environment() -> None:
    assert read_limits({"STRANGLER_FACADE_HEAD": "2.5", "OTHER": "x"}).head == 2.5
    for bad in ("soon", "0", "-1", "nan", "inf", ""):
        with pytest.raises(SettingsError, match="STRANGLER_FACADE_HEAD"):
            read_limits({"STRANGLER_FACADE_HEAD": bad})
