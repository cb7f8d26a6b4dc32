"""First step of `make install`: is this Python, on this machine, able to hold the project? Exit 3 names the cure.

Runs on any Python 3, so its syntax stays at 3.6: a wrong interpreter must read the sentence, not a SyntaxError.
"""

import platform
import sys

LOWEST = (3, 11)
SYSTEMS = ("Linux", "Darwin")
MACHINES = ("x86_64", "amd64", "arm64", "aarch64")
EXIT_UNABLE = 3


def problems(version, system, machine, missing):
    """What stands in the way, one sentence each with its cure."""
    found = []
    if tuple(version[:2]) < LOWEST:
        found.append(
            "This is Python {0}.{1}; Python {2}.{3} or newer is needed. Install it (Debian, Ubuntu: apt install "
            "python3.11 python3.11-venv; macOS: brew install python@3.13; any system: pyenv install 3.13), then name "
            "it: make install PYTHON=python3.13".format(version[0], version[1], *LOWEST)
        )
    if missing:
        found.append(
            "This Python lacks {0}, so no virtual environment can be made. On Debian and Ubuntu install it: "
            "apt install python{1}.{2}-venv. Elsewhere take a complete Python: make install PYTHON=/path/to/python3".format(
                " and ".join(missing), version[0], version[1]
            )
        )
    if system not in SYSTEMS:
        found.append(
            "This is {0}; processes, signals and sockets are used as Linux and macOS have them. On Windows run it "
            "inside WSL 2.".format(system)
        )
    if machine.lower() not in MACHINES:
        found.append(
            "This machine is {0}; the locked packages are wheels for x86-64 and arm64. Use such a machine or "
            "container.".format(machine)
        )
    return found


def missing_modules():
    """Those of the modules that `python -m venv` needs which this Python lacks."""
    lacking = []
    for name in ("venv", "ensurepip"):
        try:
            __import__(name)
        except ImportError:
            lacking.append(name)
    return lacking


def main():
    """Say every problem at once."""
    found = problems(sys.version_info, platform.system(), platform.machine(), missing_modules())
    for sentence in found:
        sys.stderr.write("preflight: {0}: {1}\n".format(sys.executable, sentence))  # noqa: UP032 - see above
    return EXIT_UNABLE if found else 0


if __name__ == "__main__":
    sys.exit(main())
