"""Work beside the request path: a defect in it must neither end the process nor go unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

_AGAIN = 1.0  # seconds before it is tried again


async def for_ever(work: Callable[[], Coroutine[Any, Any, None]], tell: Callable[[Exception], None]) -> None:
    """Do `work` to its end; when it breaks, tell, and begin again."""
    while True:
        try:
            await work()
            return
        except Exception as error:  # noqa: BLE001 - told, and tried again
            tell(error)
            await asyncio.sleep(_AGAIN)


async def let_go(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are over."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
