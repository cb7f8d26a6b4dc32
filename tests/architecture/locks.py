"""A lock file as its test reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import REPO

MAIN, SERVICES = "requirements.lock", "requirements-services.lock"


@dataclass(frozen=True)
class Pin:
    """One locked package with its hashes."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The one version it is pinned to."""
        return str(next(iter(self.requirement.specifier)).version)


def pins(lock: str) -> dict[str, Pin]:
    """Canonical name → pin; ValueError for a line that is neither a pin nor one of its hashes."""
    found: dict[str, Pin] = {}
    text = (REPO / lock).read_text(encoding="utf-8")
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        pin = Pin(Requirement(requirement), tuple(hashes))
        found[canonicalize_name(pin.requirement.name)] = pin
    return found
