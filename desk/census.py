"""Asks two servers for the same paths, a bounded number at a time, and compares every pair of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from desk.compare_pair import compare, rules_of
from desk.core.census import Census, Compared
from desk.errors import DeskError
from desk.fetch import NoAnswer, get, session


@dataclass(frozen=True, slots=True)
class Survey:
    """What to compare: two base URLs, the paths, and how."""

    old: str
    new: str
    paths: Sequence[str]
    timeout: float = 10.0
    concurrency: int = 8
    headers: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()


async def take(survey: Survey, done: Callable[[], object]) -> Census:
    """The census; `done` is called after each path. DeskError when a server is not there at all."""
    census = Census()
    waiting: Iterator[str] = iter(survey.paths)
    async with session(survey.concurrency, survey.headers) as client:
        await _both_are_there(survey, client)
        workers = min(survey.concurrency, len(survey.paths))
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(_work(survey, client, waiting, census, done))
    return census


async def _both_are_there(survey: Survey, client: aiohttp.ClientSession) -> None:
    for name, url in (("old", survey.old), ("new", survey.new)):
        found = await get(client, url, survey.paths[0], survey.timeout)
        if isinstance(found, NoAnswer) and found.why.startswith("cannot connect"):
            raise DeskError(
                f"The {name} server {url} is not there: {found.why}.\nNext: check the address, or start it"
            )


async def _work(
    survey: Survey,
    client: aiohttp.ClientSession,
    waiting: Iterator[str],
    census: Census,
    done: Callable[[], object],
) -> None:
    rules = rules_of(survey.ignored)
    for path in waiting:
        old, new = await asyncio.gather(
            get(client, survey.old, path, survey.timeout), get(client, survey.new, path, survey.timeout)
        )
        found: Compared = compare(path, old, new, (survey.old, survey.new), rules)
        census.add(found)
        done()
