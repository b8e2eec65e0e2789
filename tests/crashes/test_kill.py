"""kill -9 between any two steps of a request, then a restart: it ends as it would have.

The story is told once without a death, to learn its points; then once for each of them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest

from bot.sandbox.world import LOBBY

from .life import Point
from .town import Town, town

MINUTE = 60_000
ACCOUNT = "acct-1001"
AT_ONCE = 2  # stories told at a time
SHARES = 8  # tests that the whole is divided into


async def nothing(t: Town) -> None:
    pass


async def tell(t: Town, then: Callable[[Town], Awaitable[None]] = nothing) -> None:
    """From the command to the restored account; `then` follows at once on each acknowledgement."""
    ws = t.slack.workspace
    agent, reviewer, other = (t.slack.as_user(u) for u in ("U01AGENT", "U02REV", "U03REV"))

    await t.try_until(
        lambda: any(ACCOUNT in str(v.blocks) for v in ws.views("U01AGENT")),
        lambda: agent.command("/request-deactivate", "@pres1dent", channel=LOBBY),
    )
    said = {"reason.value": "impersonation", "what.value": "Pretends to be the president."}
    await t.see_to(lambda: bool(t.cards()), lambda: agent.submit(said), then)
    await t.see_to(
        lambda: "Approved by" in str(t.cards()[0].blocks),
        lambda: reviewer.click(t.cards()[0], "approve"),
        then,
    )
    t.clock.skip(5 * MINUTE)
    await t.until(lambda: "Executed" in str(t.cards()[0].blocks))

    await t.try_until(
        lambda: bool(ws.views("U03REV")), lambda: other.click(t.cards()[0], "restore")
    )
    why = {"reason.value": "It was the right account."}
    await t.see_to(lambda: len(t.cards()) == 2, lambda: other.submit(why), then)
    await t.until(lambda: "Restored" in str(t.cards()[0].blocks))


@dataclass(frozen=True)
class Ending:
    """All that people and platforms were left with."""

    ledger: list[tuple[object, ...]]
    counted: list[str]
    effects: list[tuple[str, str | None]]
    state: str
    posts: Counter[str]
    cards: list[str]


def ending(t: Town) -> Ending:
    ws = t.slack.workspace
    everything = [m for c in ws.channels.values() for m in c.messages.values() if m.metadata]
    marks = [m.metadata["event_payload"] for m in everything if m.metadata]
    keys = Counter(key for one in marks for key in (one["key"], *one.get("also", ())))
    deliveries = [key for (key,) in t.query("SELECT key FROM deliveries")]
    return Ending(
        ledger=t.query("SELECT seq, stream, version, kind, actor FROM entries ORDER BY seq"),
        counted=sorted(key.partition("/")[0] for key in deliveries),
        effects=[(e.action, e.key) for e in t.platform.effects if e.account_id == ACCOUNT],
        state=t.platform.accounts[ACCOUNT].state,
        posts=keys,
        cards=[m.text for m in t.cards()],
    )


async def told(folder: Path, at: Point | None) -> tuple[Ending, list[str], int]:
    async with town(folder, at) as t:
        await tell(t)
        assert await t.stop() == 0
        assert t.query("SELECT key FROM outbox") == []
        assert t.query("SELECT * FROM claims") == []
        return ending(t), t.diary, t.deaths


def check_that_it_is_whole(end: Ending) -> None:
    """What no comparison with another telling would show."""
    assert [seq for seq, *_ in end.ledger] == list(range(1, len(end.ledger) + 1))
    assert [kind for _, stream, _, kind, _ in end.ledger if stream == "R-1"] == [
        "Filed",
        "Approved",
        "QuorumReached",
        "ExecutionStarted",
        "Executed",
    ]
    assert [kind for _, stream, _, kind, _ in end.ledger if stream == "R-2"] == [
        "Filed",
        "QuorumReached",
        "ExecutionStarted",
        "Executed",
    ]
    assert end.effects == [("deactivate", "sandbox/R-1/1"), ("restore", "sandbox/R-2/1")]
    assert end.state == "active"
    assert len(end.cards) == 2
    assert set(end.posts.values()) == {1}
    threads = {f"{stream}/{seq}/thread" for seq, stream, *_ in end.ledger if stream != "policy"}
    assert threads | {"R-1/card", "R-2/card"} <= set(end.posts)
    assert end.counted == ["click", "form", "form"]


async def points(folder: Path) -> tuple[Ending, list[Point]]:
    """The ending without a death, and every point that was passed on the way."""
    end, diary, _ = await told(folder, None)
    found = []
    for line in diary:
        when, _, rest = line.partition(" ")
        what, _, n = rest.rpartition(" #")
        found.append(Point(when, what, int(n)))
    return end, found


async def die_at(tmp_path: Path, chosen: list[Point], expected: Ending) -> None:
    """Tell the story once for each point, and name every one after which it ended otherwise."""
    room = asyncio.Semaphore(AT_ONCE)
    missed = []

    async def one(n: int, at: Point) -> str | None:
        async with room:
            try:
                end, _, deaths = await told(tmp_path / f"{n}", at)
            except AssertionError as e:
                return f"{at}: {e}"
        if deaths == 0:
            missed.append(at)  # what goes on at once need not go on in the same order each time
        return None if end == expected else f"{at}: {_difference(expected, end)}"

    results = await asyncio.gather(*(one(n, at) for n, at in enumerate(chosen)))
    assert not [r for r in results if r]
    assert len(missed) <= len(chosen) // 10, missed


def _difference(expected: Ending, end: Ending) -> str:
    return "\n".join(
        f"{name}: {was} -> {now}"
        for name, was in vars(expected).items()
        if (now := getattr(end, name)) != was
    )


def worth_it(found: list[Point]) -> list[Point]:
    """A few: around each event's commit and the platform's call, and once after anything else."""
    return [
        p
        for p in found
        if p.what == "apply"
        or any(kind in p.what for kind in ("Filed", "Approved", "Execut"))
        or (p.n == 1 and p.when == "after")
    ]


async def test_the_story_without_a_death(tmp_path: Path) -> None:
    end, _found = await points(tmp_path / "clean")
    check_that_it_is_whole(end)


async def test_a_request_ends_as_it_would_have(tmp_path: Path) -> None:
    end, found = await points(tmp_path / "clean")
    await die_at(tmp_path, worth_it(found), end)


@pytest.mark.parametrize("every", [40, 57])
async def test_a_request_survives_any_number_of_deaths(tmp_path: Path, every: int) -> None:
    end, _ = await points(tmp_path / "clean")
    async with town(tmp_path / "often", every=every) as t:
        await tell(t)
        assert await t.stop() in (0, -SIGKILL)
        assert t.deaths > 2
        assert ending(t) == end


async def test_what_was_acknowledged_before_a_sigterm_is_not_lost(tmp_path: Path) -> None:
    end, _ = await points(tmp_path / "clean")

    async def stop_and_start(t: Town) -> None:
        began = time.monotonic()
        assert await t.stop() == 0
        assert time.monotonic() - began < 10
        await t.start()

    async with town(tmp_path / "often") as t:
        await tell(t, stop_and_start)
        assert await t.stop() == 0
        assert t.lives == 4
        assert ending(t) == end


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
async def test_a_request_ends_as_it_would_have_wherever_it_died(tmp_path: Path, share: int) -> None:
    end, found = await points(tmp_path / "clean")
    await die_at(tmp_path, found[share::SHARES], end)
