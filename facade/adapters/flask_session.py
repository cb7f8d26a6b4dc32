"""Reads the monolith's session out of its cookie, where it cannot be asked."""

from __future__ import annotations

from collections.abc import Callable

from facade.core.flask_cookie import read_flask_cookie, signing_key
from facade.core.identity import NOBODY, MalformedSession, Session, session_of
from facade.errors import UpstreamError
from migration.core.plan import IdentitySettings


class FlaskSession:
    """Flask's cookie, verified with the monolith's SECRET_KEY; what only its database knows is not in it."""

    def __init__(self, settings: IdentitySettings, clock: Callable[[], float]) -> None:
        """`clock` gives UTC epoch seconds."""
        self._key = signing_key(settings.cookie_secret or "")
        self._names = (settings.subject, settings.csrf, settings.cart)
        self._clock = clock

    async def ask(self, cookie: bytes) -> Session:
        """The session of this cookie; UpstreamError (introspection_answer) for values of another kind."""
        found = read_flask_cookie(cookie, self._key, self._clock())
        if found is None:
            return NOBODY
        try:
            # Roles are for the database to say: a cookie may be older than the day they were taken away.
            return session_of({**found, "roles": None}, *self._names)
        except MalformedSession as error:
            raise UpstreamError("introspection_answer", "legacy", f"the session: {error}") from None
