"""First step of `make install`: can this Python, on this machine, hold the project? Exit 3 names the cure.

Its syntax stays at Python 3.6: who runs a wrong interpreter must read the sentence, not a SyntaxError.
"""

import platform
import sys

LOWEST = (3, 11)
SYSTEMS = ("Linux", "Darwin")
MACHINES = ("x86_64", "amd64", "arm64", "aarch64")
EXIT_UNABLE = 3


def problems(version: "tuple[int, ...]", system: str, machine: str, missing: "list[str]") -> "list[str]":
    """What stands in the way, one sentence each with its cure."""
    this, lowest = ("{}.{}".format(*pair[:2]) for pair in (version, LOWEST))
    found = []
    if tuple(version[:2]) < LOWEST:
        found.append(
            f"This is Python {this}; {lowest} or newer is needed. Install it (Debian, Ubuntu: "
            f"apt install python{lowest} python{lowest}-venv; macOS: brew install python@3.13; "
            "elsewhere: pyenv install 3.13), then name it: make install PYTHON=python3.13"
        )
    if missing:
        found.append(
            f"This Python lacks {' and '.join(missing)}, so it can make no virtual environment. "
            f"Debian, Ubuntu: apt install python{this}-venv. "
            "Elsewhere take a complete Python: make install PYTHON=/path/to/python3"
        )
    if system not in SYSTEMS:
        found.append(
            f"This is {system}; processes, signals and sockets are used as Linux and macOS have them. "
            "On Windows run it inside WSL 2."
        )
    if machine.lower() not in MACHINES:
        found.append(
            f"This machine is {machine}; the locked packages are wheels for x86-64 and arm64. "
            "Use such a machine or container."
        )
    return found


def missing_modules() -> "list[str]":
    """Those of the modules that `python -m venv` needs which this Python lacks."""
    lacking = []
    for name in ("venv", "ensurepip"):
        try:
            __import__(name)
        except ImportError:
            lacking.append(name)
    return lacking


def main() -> int:
    """Say every problem at once."""
    found = problems(tuple(sys.version_info[:3]), platform.system(), platform.machine(), missing_modules())
    for sentence in found:
        sys.stderr.write(f"preflight: {sys.executable}: {sentence}\n")
    return EXIT_UNABLE if found else 0


if __name__ == "__main__":
    sys.exit(main())
