"""The plan's `[identity]`: how a login of the monolith becomes one that services can check."""

from __future__ import annotations

import re
from collections.abc import Collection

from migration.core.plan import IdentitySettings
from migration.core.plan_check import Document, Findings, Values, read_table
from migration.core.plan_key import Key, Kind, Table
from migration.core.suggest import did_you_mean

IDENTITY = Table(
    "[identity]",
    "How a login of the monolith becomes a signed token for services; without this table there are none.",
    (
        Key("cookie", Kind.TEXT, "the name of the monolith's session cookie", "session"),
        Key("introspect", Kind.TEXT, "the monolith's path that says whose cookie it is; 404 from outside"),
        Key(
            "secret",
            Kind.SECRET,
            "the facade's word to that path; without it one is made in the state directory",
        ),
        Key("cookie_secret", Kind.SECRET, "instead of asking: Flask's SECRET_KEY, to read its cookie here"),
        Key("subject", Kind.TEXT, "read here: the session's key of who is logged in", "_user_id"),
        Key("csrf", Kind.TEXT, "read here: the session's key of the forms' token", "csrf_token"),
        Key("cart", Kind.TEXT, "read here: the session's key of the cart's number", "cart_id"),
        Key("services", Kind.TEXTS, "the services that get a token; without this key all of them", ()),
        Key("cache", Kind.DURATION, "how long an answer counts, and so a login after its end", "5s"),
        Key("timeout", Kind.DURATION, "until the monolith has said whose cookie it is; then 503", "2s"),
        Key("sessions", Kind.COUNT, "how many answers are kept, in each worker", 10_000),
    ),
)

# The token lives 30 s from the moment at which it is signed, and is used for as long as the answer counts.
LONGEST_CACHE = 20.0
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 6265, section 4.1.1
# No segment that begins with a dot, no empty one, nothing that could be spelled another way.
_PLAIN_PATH = re.compile(r"(?:/[0-9A-Za-z_~-][0-9A-Za-z._~-]*)+\Z")


def build_identity(main: Document, services: Collection[str], found: Findings) -> IdentitySettings | None:
    """The settings, or None where the plan has no such table; what is wrong with it is noted."""
    if "identity" not in main.data:
        return None
    before = len(found.problems)
    values = read_table(IDENTITY, main.data["identity"], main, ("identity",), found)
    if len(found.problems) > before:
        return None
    for name, sentence in _wrong(values, services):
        found.add(main, ("identity", name) if name else ("identity",), sentence)
    return IdentitySettings(**values) if len(found.problems) == before else None


def _wrong(values: Values, services: Collection[str]) -> list[tuple[str, str]]:
    """What no single value shows: the key, and the sentence."""
    path = values["introspect"]
    wrong: list[tuple[str, str]] = []
    if path is not None and values["cookie_secret"] is not None:
        wrong.append(("cookie_secret", "introspect and cookie_secret are two ways; remove one of them"))
    if path is None and values["cookie_secret"] is None:
        wrong.append(("", "identity says no way; add introspect, or cookie_secret where you cannot"))
    if path is not None and _PLAIN_PATH.match(path) is None:
        wrong.append(("introspect", f"{path!r} is no plain path; write one as in /internal/whoami"))
    if path is None and values["secret"] is not None:
        wrong.append(("secret", "secret is for introspect, which is not set; remove one, or add the other"))
    if _TOKEN.match(values["cookie"]) is None:
        wrong.append(
            ("cookie", f"cookie: {values['cookie']!r} is no name of a cookie; use letters and digits")
        )
    if values["cache"] > LONGEST_CACHE:
        wrong.append(("cache", f"cache is longer than {LONGEST_CACHE:g}s, and tokens live 30s; shorten it"))
    if not 0 < values["timeout"] <= 30:
        wrong.append(("timeout", "timeout is not between 0s and 30s, in which a user waits; change it"))
    if values["sessions"] == 0:
        wrong.append(("sessions", "sessions: 0 keeps nothing, so that all wait for each; write 10000"))
    for name in values["services"]:
        if name not in services:
            wrong.append(("services", f"there is no service {name!r}; {did_you_mean(name, services)}"))
    return wrong
