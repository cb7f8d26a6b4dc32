"""Where it was measured: numbers of one machine are compared with numbers of the same machine."""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.facade.load import generator
from bench.facade.subject import Subject
from bench.facade.upstream import can_pin

_OPTIMISATIONS = ("--enable-optimizations", "--with-lto")  # Python with both takes 6 to 10 % less (measured)


def facts(subjects: Iterable[Subject], load_before: float) -> dict[str, Any]:
    """Python and how it was built, the processor, what else ran, and the versions of the others."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "python": platform.python_version(),
        "python_compiler": platform.python_compiler(),
        "python_configured": [option for option in _OPTIMISATIONS if option in arguments],
        "processor": _processor(),
        "cores": os.cpu_count(),
        "pinned": can_pin(),
        "load_before": round(load_before, 2),
        "load_generator": generator(),
        "versions": {one.name: one.version for one in subjects if one.version},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
