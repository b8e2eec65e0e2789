"""The machine's clock: a jump of the wall clock runs nothing early and loses nothing."""

import asyncio

from bot.clock import MachineClock, Setting, wall

HOUR = 3_600_000


def test_within_a_boot_time_goes_on_from_the_anchor_whatever_the_wall_clock_says() -> None:
    first = MachineClock(None)
    set_forward = first.setting._replace(at=first.setting.at - 5 * HOUR)  # the wall jumped since
    again = MachineClock(set_forward)
    assert abs(again.now() - (wall() - 5 * HOUR)) < 1_000
    set_back = first.setting._replace(at=first.setting.at + 5 * HOUR)
    assert abs(MachineClock(set_back).now() - (wall() + 5 * HOUR)) < 1_000


def test_another_boot_takes_the_wall_clock_anew() -> None:
    old = Setting("another boot", 0, wall() - 9 * HOUR)
    assert abs(MachineClock(old).now() - wall()) < 1_000


def test_time_never_stands_before_the_newest_entry() -> None:
    ahead = wall() + HOUR
    assert MachineClock(None, newest=ahead).now() >= ahead


async def test_waiting_ends_at_the_instant_or_when_woken() -> None:
    clock, wake = MachineClock(None), asyncio.Event()
    before = clock.now()
    await clock.wait(before + 30, wake)
    assert clock.now() >= before + 30
    wake.set()
    await asyncio.wait_for(clock.wait(None, wake), 1)
