"""Where the browser is."""

from __future__ import annotations

import shutil

from tools.servers.absent import ServerMissing

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# For playwright's launch(args=…): a container's root has no sandbox and little /dev/shm; nothing phones home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def chromium() -> str:
    """The path of the browser's executable."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise ServerMissing("Chromium")
