"""The one place that reads the machine's clocks."""

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

from bot.ports import Clock
from bot.store.shared_time import SharedTime, up


class Setting(NamedTuple):
    """That it was `at` (ms since the epoch) when boot `boot` was `up` ms old."""

    boot: str
    up: int
    at: int


class MachineClock:
    """The wall clock, held to what it first said in this boot of the machine.

    From that setting on, time advances with CLOCK_BOOTTIME, which counts suspended time and never
    jumps: a wall clock that is set forward runs nothing early, one that is set back loses nothing.
    The setting is kept in the database, so that this holds across restarts; another boot makes a new
    one, never before `newest`, the newest instant (ms) in the ledger.
    """

    def __init__(self, kept: Setting | None, newest: int = 0) -> None:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        if kept is None or kept.boot != boot:
            kept = Setting(boot, up(), max(wall(), newest))
        self.setting = kept

    def now(self) -> int:
        return self.setting.at + up() - self.setting.up

    async def wait(self, until: int | None, wake: asyncio.Event) -> None:
        await _wait(self, until, wake)


class SharedClock:
    """The time that all processes on one database go by; see SharedTime."""

    def __init__(self, time: SharedTime) -> None:
        self._time = time

    def now(self) -> int:
        return self._time.now()

    async def wait(self, until: int | None, wake: asyncio.Event) -> None:
        await _wait(self, until, wake)


async def _wait(clock: Clock, until: int | None, wake: asyncio.Event) -> None:
    timeout = None if until is None else max(0.0, (until - clock.now()) / 1000)
    try:
        async with asyncio.timeout(timeout):
            await wake.wait()
    except TimeoutError:
        return


def wall() -> int:
    """What the wall clock says (ms)."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - the one reading there is
