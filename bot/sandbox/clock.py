"""A clock that can be moved on, for the sandbox and for the tests; `run` has no way to reach it."""

import asyncio
from collections.abc import Callable


class SandboxClock:
    """`base()` plus whatever was skipped. With a constant `base` time stands still until skipped."""

    def __init__(self, base: Callable[[], int]) -> None:
        self._base = base
        self._skipped = 0
        self._moved = asyncio.Event()
        self._awaited: list[int] = []

    @property
    def next_awaited(self) -> int | None:
        """The next instant (ms) that somebody waits for."""
        return min(self._awaited, default=None)

    def now(self) -> int:
        return self._base() + self._skipped

    def skip(self, ms: int) -> None:
        """Move on by `ms` milliseconds and wake everybody who waits."""
        self._skipped += ms
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, until: int | None, wake: asyncio.Event) -> None:
        if until is None:
            await self._wait(until, wake)
            return
        self._awaited.append(until)
        try:
            await self._wait(until, wake)
        finally:
            self._awaited.remove(until)

    async def _wait(self, until: int | None, wake: asyncio.Event) -> None:
        while not wake.is_set() and (until is None or self.now() < until):
            left = None if until is None else (until - self.now()) / 1000
            waits = [asyncio.ensure_future(e.wait()) for e in (wake, self._moved)]
            try:
                await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for w in waits:
                    w.cancel()
