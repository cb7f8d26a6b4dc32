"""`python -m bench [--quick]`: what the facade costs on this machine, as a Markdown table."""

from __future__ import annotations

import os
import platform
import sys

from bench import proxy


def main() -> int:
    """Run it; say where it was measured and what else was going on."""
    quick = "--quick" in sys.argv[1:]
    print(f"Python {platform.python_version()} ({platform.python_compiler()}), {os.cpu_count()} cores, "
          f"load before {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print(proxy.table(rounds=2 if quick else 7, seconds=3 if quick else 10), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
