"""Changes flags through Unleash's admin API (8.x, open source edition)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import httpx

from migration.core.flag_edits import strategy
from migration.core.flags import KILL_FLAG
from migration.errors import FlagError

TIMEOUT = 2.0  # seconds per call
_CURES = {
    401: "check flags.admin_token",
    403: "check flags.admin_token and its rights",
    404: "check flags.project",
    409: "a flag of that name is archived or in another project: revive it, or check flags.project",
    429: "try again in a minute",
}


class UnleashWriter:
    """A flag writer for one project and one environment."""

    def __init__(self, url: str, token: str, *, project: str, environment: str) -> None:
        """`url` without `/api`; `token` is an admin token."""
        self._url, self._token, self._environment = url, token, environment
        self._features = f"{url}/api/admin/projects/{quote(project, safe='')}/features"
        self._client: httpx.AsyncClient | None = None

    async def set_rollout(self, flag: str, pct: int) -> None:
        """Set a flag's share 0..100 and switch it on; creates it when it is missing."""
        wanted = strategy(flag, pct)
        found = await self._feature(flag)
        if found is None:
            await self._create(flag, wanted)
            found = {"enabled": False}
        else:
            await self._set_strategy(flag, wanted, found["strategies"])
        # Last: switching on a flag whose strategies are all disabled adds one for everybody (measured).
        if not found["enabled"]:
            await self._switch(flag, on=True)

    async def ensure(self, flags: Iterable[str]) -> tuple[str, ...]:
        """Create the missing flags at 0 %."""
        created = []
        for flag in dict.fromkeys(flags):
            if await self._feature(flag) is None:
                await self._create(flag, strategy(flag, 0))
                await self._switch(flag, on=True)
                created.append(flag)
        return tuple(created)

    async def kill(self, on: bool) -> None:
        """Switch `strangler.kill`."""
        if await self._feature(KILL_FLAG) is None:
            await self._create(KILL_FLAG, strategy(KILL_FLAG, 100))
        await self._switch(KILL_FLAG, on=on)

    async def close(self) -> None:
        """Let go of connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _feature(self, flag: str) -> dict[str, Any] | None:
        """Whether the flag is on in our environment, and its strategies there; None where it is missing."""
        answer = await self._call("GET", self._path(flag), missing=True)
        if answer is None:
            return None
        for environment in answer.get("environments", []):
            if environment.get("name") == self._environment:
                return {
                    "enabled": environment.get("enabled"),
                    "strategies": environment.get("strategies", []),
                }
        raise FlagError(
            f"{flag} has no environment {self._environment!r} in Unleash; check flags.environment"
        )

    async def _create(self, flag: str, wanted: dict[str, Any]) -> None:
        await self._call("POST", self._features, {"name": flag, "type": "operational"})
        await self._call("POST", self._path(flag, "strategies"), wanted)

    async def _set_strategy(self, flag: str, wanted: dict[str, Any], present: list[dict[str, Any]]) -> None:
        if not present:
            await self._call("POST", self._path(flag, "strategies"), wanted)
            return
        if len(present) > 1 or present[0].get("name") != "flexibleRollout":
            raise FlagError(f"{flag} has other strategies than one flexibleRollout; remove them in Unleash")
        values = {f"/parameters/{name}": value for name, value in wanted["parameters"].items()}
        if present[0].get("disabled"):
            values["/disabled"] = False
        patch = [{"op": "add", "path": path, "value": value} for path, value in values.items()]
        await self._call(
            "PATCH", self._path(flag, "strategies", quote(str(present[0]["id"]), safe="")), patch
        )

    async def _switch(self, flag: str, *, on: bool) -> None:
        await self._call("POST", self._path(flag, "on" if on else "off"))

    def _path(self, flag: str, *rest: str) -> str:
        path = f"{self._features}/{quote(flag, safe='')}"
        if rest:
            path = "/".join((path, "environments", quote(self._environment, safe=""), *rest))
        return path

    async def _call(self, method: str, url: str, body: Any = None, *, missing: bool = False) -> Any:
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._send(method, url, body)
        except TimeoutError:
            await self.close()
            raise FlagError(f"{self._server} does not answer within {TIMEOUT:.0f} s; is it up?") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise FlagError(f"{self._server} cannot be asked: {reason}; is it up?") from None
        if answer.status_code == 404 and missing:
            return None
        if not answer.is_success:
            cure = _CURES.get(answer.status_code, "look into its log")
            raise FlagError(f"{self._server} answers {answer.status_code} to a change; {cure}")
        return _json(answer, self._server)

    async def _send(self, method: str, url: str, body: Any) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        return await self._client.request(method, url, json=body, headers={"Authorization": self._token})

    @property
    def _server(self) -> str:
        return f"the Unleash server {self._url}"


def _json(answer: httpx.Response, server: str) -> Any:
    if not answer.content or "json" not in answer.headers.get("Content-Type", ""):
        return {}
    try:
        return answer.json()
    except ValueError:
        raise FlagError(
            f"{server} answers something that is no JSON; check the URL in flags.source"
        ) from None
