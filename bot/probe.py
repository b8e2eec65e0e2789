"""What is asked for now and then, and never twice at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Probe(Generic[T]):
    """Keeps the newest answer, and asks for another in the background when somebody wants one that is
    older than `every` (ms by `now`). Nobody waits for that, unless what there is is twice as old."""

    def __init__(
        self, ask: Callable[[], Awaitable[T]], now: Callable[[], int], every: int = 0
    ) -> None:
        """`ask` may take as long as it likes. `every` 0: always anew, yet one at a time."""
        self._ask = ask
        self._now = now
        self._every = every
        self._asking: asyncio.Task[T] | None = None
        self._answer: T
        self._at: int | None = None

    async def answer(self, within: float) -> T:
        """The answer. Raises TimeoutError if one that is new enough is not there `within` (s), and
        whatever asking for it raises."""
        now = self._now()
        if self._asking is None and (self._at is None or now - self._at >= self._every):
            self._asking = asyncio.create_task(self._ask_now())
            # whoever waits hears what went wrong; if nobody does, the next one asks again
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        if self._at is None or now - self._at >= 2 * self._every:
            asking = self._asking
            assert asking is not None
            await asyncio.wait({asking}, timeout=within)
            if not asking.done():
                raise TimeoutError
            return asking.result()
        return self._answer

    async def _ask_now(self) -> T:
        try:
            self._answer = await self._ask()
            self._at = self._now()
            return self._answer
        finally:
            self._asking = None

    async def close(self) -> None:
        """Ask for nothing more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
