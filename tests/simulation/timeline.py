"""Time that passes only when the simulator says so, and event loops that live in it."""

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable
from itertools import count
from typing import Any

BEGAN = 1_700_000_000_000  # ms since the epoch, when a simulation begins
UP = 5_000_000  # ms that the machine had been up by then


class Timeline:
    """True time in s since the beginning, and what is to happen in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._n = count()

    @property
    def ms(self) -> int:
        """True time in ms since the epoch."""
        return BEGAN + int(self.now * 1000)

    def after(self, pause: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._planned, (self.now + pause, next(self._n), act))

    @property
    def next(self) -> float | None:
        return self._planned[0][0] if self._planned else None

    def happen(self) -> None:
        """Let the next of what is planned happen, at its time."""
        at, _, act = heapq.heappop(self._planned)
        self.now = max(self.now, at)
        act()


class _NothingToRead:
    """What a loop waits on: there are no files and no sockets here, and nobody waits."""

    def select(self, timeout: float | None) -> list[Any]:
        return []

    def close(self) -> None: ...


class Loop(asyncio.BaseEventLoop):
    """The event loop of one simulated process: it goes a step when the simulator says so."""

    def __init__(self, timeline: Timeline, failed: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._selector = _NothingToRead()
        self._timeline = timeline
        self.set_exception_handler(lambda _, context: failed(context))

    def time(self) -> float:
        return self._timeline.now

    def _process_events(self, event_list: object) -> None: ...

    def _write_to_self(self) -> None: ...

    @property
    def ready(self) -> bool:
        return bool(self._ready)  # type: ignore[attr-defined]

    @property
    def due(self) -> float | None:
        """When it has something to do; None: never of itself."""
        if self.ready:
            return self._timeline.now
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
        return scheduled[0].when() if scheduled else None

    def step(self) -> None:
        events._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)
