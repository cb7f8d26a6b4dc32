"""`make services` names what it cannot install, and installs nothing that is there."""

from __future__ import annotations

import pytest

from tools import services


def test_without_root_the_missing_packages_are_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = (
        ("postgresql", lambda: False),
        ("chromium", lambda: True),
        ("fonts-dejavu-core", lambda: False),
    )
    monkeypatch.setattr(services, "SYSTEM_PACKAGES", missing)
    monkeypatch.setattr(services.os, "geteuid", lambda: 1000)
    assert services.main() == services.EXIT_UNABLE
    assert "sudo apt install postgresql fonts-dejavu-core" in capsys.readouterr().err
