"""A platform, and beside it whoever listens to what came of each call."""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.core.actions import Order, Receipt
from bot.core.subject import Observed, Snapshot, SubjectId
from bot.ports import Platform, PlatformError

T = TypeVar("T")

# the platform, the call, how long it took (s), and the fate of a call that went wrong, `gave up`
# when somebody's time was over, or None
Called = Callable[[str, str, float, str | None], None]


class Measured:
    """A Platform: `inner`, as it is."""

    def __init__(self, inner: Platform) -> None:
        self.inner = inner
        self.name = inner.name
        self.capabilities = inner.capabilities
        self.facts = inner.facts
        self.called: list[Called] = []

    async def find(self, handle: str) -> Snapshot | None:
        return await self._of("find", self.inner.find(handle))

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        return await self._of("fetch", self.inner.fetch(subject))

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        return await self._of("lookalikes", self.inner.lookalikes(handle))

    async def apply(self, order: Order) -> Receipt:
        return await self._of("apply", self.inner.apply(order))

    async def observe(self, subject: SubjectId) -> Observed:
        return await self._of("observe", self.inner.observe(subject))

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def _of(self, call: str, asked: Awaitable[T]) -> T:
        began = time.monotonic()
        error: str | None = "other"
        try:
            answer = await asked
            error = None
        except PlatformError as e:
            error = e.fate.value
            raise
        except CancelledError:
            error = "gave up"
            raise
        finally:
            for tell in self.called:
                tell(self.name, call, time.monotonic() - began, error)
        return answer
