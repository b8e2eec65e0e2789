"""What is measured. Each measure gives the rows of the table that it is for."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bot.audit import keys
from bot.sandbox.world import ANCHORS, POLICY, people

from .append import appending
from .audit import Answered, answers
from .flat import flat
from .peers.compare import Compared, Note, peers
from .proc import resident
from .rows import Row, Size, percentile
from .scene import REVIEW, Scene, Server, file, scene
from .server import AGENTS, REVIEWERS
from .trail import multiply, trail

# --- click to acknowledgement -------------------------------------------------------------------


async def _one_by_one(
    s: Scene, server: Server, clicks: list[tuple[bytes, dict[str, str]]]
) -> list[float]:
    took = []
    for click in clicks:
        took.append(await s.send(server, click))
        await server.rest()
    return took


async def _sixteen(
    s: Scene, server: Server, clicks: list[tuple[bytes, dict[str, str]]]
) -> list[float]:
    waiting = iter(clicks)

    async def client() -> list[float]:
        return [await s.send(server, click) for click in waiting]

    return [t for took in await asyncio.gather(*(client() for _ in range(16))) for t in took]


async def acknowledgements(size: Size, folder: Path) -> list[Row]:
    """Bot and bare listener by turns, so that the machine's moods fall on both."""
    rows = []
    async with scene(folder) as s:
        bot, bare = await s.launch("bot"), await s.launch("bare")
        card = await s.card(bot)
        seeded = 0

        async def clicks(n: int) -> list[tuple[bytes, dict[str, str]]]:
            nonlocal seeded
            seeded += n
            refs = await bot.ask("seed", first=1_000_000 + seeded, n=n)
            return s.clicks(card, refs)

        async def compare(
            name: str,
            how: Callable[
                [Scene, Server, list[tuple[bytes, dict[str, str]]]], Awaitable[list[float]]
            ],
            n: int,
            most: float | None,
        ) -> None:
            took: dict[str, list[list[float]]] = {"bot": [], "bare": []}
            for round in range(size.rounds + 1):
                turn = [("bot", bot), ("bare", bare)][:: 1 if round % 2 else -1]
                made = await clicks(n)
                for which, server in turn:
                    times = await how(s, server, made)
                    if round:  # the first warms up
                        took[which].append([t * 1000 for t in times])
                await bot.ask("settle")
            for share, label in ((0.5, "p50"), (0.99, "p99")):
                ours, bares = (
                    [percentile(times, share) for times in took[which]] for which in ("bot", "bare")
                )
                rows.append(Row(f"{name}: bare listener, {label}", bares, "ms"))
                rows.append(Row(f"{name}: bot, {label}", ours, "ms"))
                ratios = [a / b for a, b in zip(ours, bares, strict=True)]
                limit = most if label == "p50" else None
                rows.append(Row(f"{name}: ratio, {label}", ratios, "x", most=limit))

        await compare("1 click in flight, each wakes the worker", _one_by_one, size.clicks, None)
        await bot.ask("hold")
        await compare("1 click in flight, worker idle", _one_by_one, size.clicks, 2.0)
        await compare("16 clicks in flight, worker idle", _sixteen, size.clicks * 4, 2.5)
    return rows


# --- the last approval to the platform ------------------------------------------------------------


async def to_the_platform(size: Size, folder: Path) -> list[Row]:
    """The bot's time stands still but for what is skipped, so that a cool-off ends when told to."""
    total, observing = [], []
    async with scene(folder, speed=0) as s:
        bot = await s.launch("bot")
        s.slack.deliver_to(f"{bot.url}/slack/events")
        for n in range(size.approvals + 3):
            await file(s, AGENTS[0], s.platform.add(f"account{n}").handle)
            await bot.ask("settle")
            card = s.slack.workspace.messages(REVIEW)[-1]
            answer = await s.slack.as_user(REVIEWERS[0]).click(card, "approve")
            assert answer.status == 200, answer
            await bot.ask("settle")
            took = await bot.ask("elapse")
            await bot.ask("settle")
            if n >= 3:
                total.append(took["woken"] + took["applied"] - took["fetch"])
                observing.append(took["observe"])
    return [
        Row("last approval's ack to platform.apply, p50", total, "ms", most=10.0),
        Row("… of which the look before the act (HTTP)", observing, "ms"),
    ]


# --- whole requests ---------------------------------------------------------------------------------


async def whole_requests(size: Size, folder: Path) -> list[Row]:
    """16 agents file, 16 reviewers approve, each until the effect was verified and the card says so.

    The bot's time goes ten times as fast, so that a cool-off of a second takes a tenth of one.
    """
    rates = []
    async with scene(folder, speed=10) as s:
        bot = await s.launch("bot")
        s.slack.deliver_to(f"{bot.url}/slack/events")
        ws = s.slack.workspace

        async def card_with(*words: str) -> None:
            for _ in range(10_000):
                for message in ws.messages(REVIEW):
                    if all(word in str(message.blocks) for word in words):
                        return
                await asyncio.sleep(0.005)
            raise AssertionError(words)

        async def client(n: int, round: int) -> None:
            for i in range(size.requests):
                handle = s.platform.add(f"r{round}c{n}n{i}x").handle
                await file(s, AGENTS[n], handle)
                await card_with(handle, "approve")
                (card,) = (m for m in ws.messages(REVIEW) if handle in str(m.blocks))
                answer = await s.slack.as_user(REVIEWERS[n]).click(card, "approve")
                assert answer.status == 200, answer
                await card_with(handle, "Executed")

        for round in range(max(2, size.rounds // 2)):
            began = time.perf_counter()
            await asyncio.gather(*(client(n, round) for n in range(16)))
            rates.append(16 * size.requests / (time.perf_counter() - began))
            assert len(s.platform.effects) == (round + 1) * 16 * size.requests
            ws.channels[REVIEW].messages.clear()  # or this Slack grows slow
    return [Row("whole requests, 16 clients", rates, "/s")]


# --- memory -------------------------------------------------------------------------------------------


async def memory(size: Size, folder: Path) -> list[Row]:
    async with scene(folder, speed=0) as s:
        bot = await s.launch("bot")
        await s.card(bot)
        await bot.ask("hold")
        marks = [size.churn // 5, size.churn // 5 * 4]  # the caches are full after the first
        sizes = [(await bot.ask("memory"))["mb"]]
        first = 1_000_000
        for n in marks:
            await bot.ask("churn", first=first, n=n)
            first += n
            sizes.append((await bot.ask("memory"))["mb"])
    idle, warm, end = sizes
    return [
        Row("memory, idle", [idle], "MB", most=100.0),
        Row(f"memory after {marks[0]} requests", [warm], "MB"),
        Row(f"memory after {sum(marks)} requests", [end], "MB"),
        Row("… growth between these", [end - warm], "MB", most=10.0),
    ]


# --- verifying beside it ------------------------------------------------------------------------------


async def beside(size: Size, folder: Path) -> list[Row]:
    """`/audit verify` over a whole database, and clicks before and meanwhile."""
    manager = "U09MANAGER"
    before, meanwhile = [], []
    async with scene(folder, speed=0) as s:
        bot = await s.launch("bot")
        card = await s.card(bot)
        await bot.ask("hold")
        await bot.ask("churn", first=2_000_000, n=1)
        bot.process.kill()
        await bot.process.wait()
        multiply(folder / "nolone.db", "R-2", size.entries // 10)
        bot = await s.launch("bot")
        s.slack.deliver_to(f"{bot.url}/slack/events")
        await bot.ask("hold")
        refs = await bot.ask("seed", first=1_000_000, n=size.clicks * 20)
        clicks = iter(s.clicks(card, refs))
        for _ in range(size.clicks * 2):
            before.append(await s.send(bot, next(clicks)) * 1000)
            await asyncio.sleep(0.05)
        ws = s.slack.workspace
        began = time.perf_counter()
        answer = await s.slack.as_user(manager).command("/audit", "verify", channel=REVIEW)
        first = time.perf_counter() - began
        assert answer.status == 200, answer
        while not any("entries verified" in m.text for m in ws.ephemerals(manager)):
            if (click := next(clicks, None)) is not None:
                meanwhile.append(await s.send(bot, click) * 1000)
            await asyncio.sleep(0.05)
        took = time.perf_counter() - began
        entries = ws.ephemerals(manager)[-1].text.split(" ")[0]
    rows = [
        Row("/audit verify, the first answer", [first], "s", most=3.0),
        Row(f"/audit verify, all {entries} entries", [took], "s"),
    ]
    for label, times in (("at rest", before), ("while it verifies", meanwhile)):
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            value = [percentile(times, share)] if times else []
            rows.append(Row(f"click to acknowledgement, {label}, {name}", value, "ms"))
    return [row for row in rows if row.values]


# --- start ------------------------------------------------------------------------------------------


async def start(size: Size, folder: Path) -> list[Row]:
    """`python -m bot run`, as an operator starts it, until a click is acknowledged."""
    took, idle = [], []
    async with scene(folder) as s:
        people(s.slack.workspace)
        keys.make(folder / "signing.key", "nolone")
        environment = os.environ | {
            "SLACK_BOT_TOKEN": s.slack.bot_token,
            "SLACK_SIGNING_SECRET": s.slack.signing_secret,
            "SLACK_API_URL": s.slack.api_url,
            "DATABASE_URL": f"sqlite:///{folder}/run.db",
            "NOLONE_POLICY": str(POLICY),
            "NOLONE_PLATFORMS": "demo",
            "DEMO_URL": s.platform.url,
            "DEMO_TOKEN": s.platform.token,
            "NOLONE_SIGNING_KEY_FILE": str(folder / "signing.key"),
            "ANCHOR_CHANNEL_WEBHOOK": s.slack.webhook(ANCHORS),
            "PORT": "0",
        }
        migrate = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "migrate"),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await migrate.wait() == 0
        sample = await s.launch("bot")
        card = await s.card(sample)
        for _ in range(size.starts):
            port = _free_port()
            click = s.click(card, "U02REV", "R-1.1.00000000", 0)
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"),
                env=environment | {"PORT": str(port)},
                stderr=asyncio.subprocess.DEVNULL,
            )
            s.processes.append(process)
            server = Server("bot", f"http://127.0.0.1:{port}", process, s.session)
            while True:
                try:
                    await s.send(server, click)
                except OSError:
                    assert process.returncode is None, "it did not start"
                    await asyncio.sleep(0.01)
                    continue
                break
            took.append(time.perf_counter() - began)
            idle.append(resident(process.pid))
            process.terminate()
            assert await process.wait() == 0
    return [
        Row("process start to the first acknowledged click", took, "s", most=2.0),
        Row("memory of `nolone run` then", idle, "MB", most=100.0),
    ]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


Measured = Row | Answered | Compared | Note

MEASURES: dict[str, Callable[[Size, Path], Awaitable[Sequence[Measured]]]] = {
    "ack": acknowledgements,
    "apply": to_the_platform,
    "whole": whole_requests,
    "memory": memory,
    "start": start,
    "append": appending,
    "trail": trail,
    "beside": beside,
    "flat": flat,
    "audit": answers,
    "peers": peers,
}


async def measure(size: Size, names: list[str]) -> list[Measured]:
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            rows += await MEASURES[name](size, Path(folder) / name)
    return rows
