"""Everything that can be set from outside, read once at start."""

import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class SettingsError(Exception):
    """A setting has a value that the shop cannot use."""


@dataclass(frozen=True)
class Settings:
    """`trusted_hops` is the number of proxies in front whose X-Forwarded-* headers are believed."""

    database: str = "sqlite:///var/shop.db"
    timezone: str = "Europe/Berlin"
    build: str = "legacy-1"
    # Shipped in the source since the first day; see "what is wrong with it" in the README.
    secret: str = "change-me"
    media: Path = Path("var/media")
    # What programs of the house show to be let in at /internal/; empty: nobody is.
    neighbours_secret: str = ""
    # What the facade in front shows to be told whose session it is; empty: it is not told.
    whoami_secret: str = ""
    trusted_hops: int = 0

    def __post_init__(self):
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError(
                f"SHOP_TZ is {self.timezone!r}, which is no time zone; try Europe/Berlin"
            ) from error


def read_settings(database=None):
    """Read the environment; `database`, from the command line, wins over SHOP_DATABASE."""
    env = os.environ
    hops = env.get("TRUSTED_HOPS", "0")
    if not (hops.isascii() and hops.isdigit()):
        raise SettingsError(f"TRUSTED_HOPS is {hops!r}; it must be a whole number, 0 or more")
    return Settings(
        database=database or env.get("SHOP_DATABASE") or Settings.database,
        timezone=env.get("SHOP_TZ") or Settings.timezone,
        build=env.get("SHOP_BUILD") or Settings.build,
        secret=env.get("SHOP_SECRET") or Settings.secret,
        neighbours_secret=env.get("SHOP_INTERNAL_SECRET") or Settings.neighbours_secret,
        whoami_secret=env.get("SHOP_WHOAMI_SECRET") or Settings.whoami_secret,
        media=Path(env.get("SHOP_MEDIA") or Settings.media),
        trusted_hops=int(hops),
    )
