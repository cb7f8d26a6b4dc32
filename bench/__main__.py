"""`python -m bench [--quick]`: what facade and comparison cost on this machine, in Markdown tables."""

from __future__ import annotations

import os
import platform
import sys

from bench import comparison, proxy


def main() -> int:
    """Run both; say where it was measured and what else was going on."""
    quick = "--quick" in sys.argv[1:]
    print(f"Python {platform.python_version()} ({platform.python_compiler()}), {os.cpu_count()} cores, "
          f"load before {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print(comparison.table(repeats=5 if quick else 25), flush=True)
    print(proxy.table(rounds=2 if quick else 7, seconds=3 if quick else 10), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
