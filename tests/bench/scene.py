"""The load: a Slack and a platform on loopback, people who click, and the servers under test."""

import asyncio
import copy
import json
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.clock import wall
from bot.sandbox.platform import SandboxPlatform
from bot.sandbox.slack import FakeSlack
from bot.sandbox.slack.records import Message

from .server import AGENTS, REVIEWERS, Given, clock

REVIEW = "C02REV"


@dataclass
class Server:
    """A process under test."""

    kind: str
    url: str
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    async def ask(self, what: str, **query: int) -> Any:
        params = {name: str(value) for name, value in query.items()}
        async with self.session.post(f"{self.url}/bench/{what}", params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def rest(self) -> None:
        """Return when all that followed from what was acknowledged is done."""
        what = "/bench/settle" if self.kind == "bot" else "/healthz"
        method = "POST" if self.kind == "bot" else "GET"
        async with self.session.request(method, f"{self.url}{what}") as answer:
            await answer.read()


@dataclass
class Scene:
    folder: Path
    slack: FakeSlack
    platform: SandboxPlatform
    epoch: int
    began: float
    speed: float
    session: aiohttp.ClientSession
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def launch(self, kind: str) -> Server:
        given = Given(
            kind=kind,
            folder=self.folder,
            slack_url=self.slack.api_url,
            slack_token=self.slack.bot_token,
            slack_secret=self.slack.signing_secret,
            platform_url=self.platform.url,
            platform_token=self.platform.token,
            epoch=self.epoch,
            began=self.began,
            speed=self.speed,
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.server", given.model_dump_json()),
            stdout=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        return Server(kind, f"http://127.0.0.1:{port}", process, self.session)

    async def card(self, bot: Server) -> Message:
        """A card as it is in Slack, filed as people do."""
        self.slack.deliver_to(f"{bot.url}/slack/events")
        await file(self, AGENTS[0], self.platform.add("spammer").handle)
        await bot.ask("settle")
        return self.slack.workspace.messages(REVIEW)[-1]

    def click(self, card: Message, user: str, value: str, n: int) -> tuple[bytes, dict[str, str]]:
        """A signed click on Approve on a card like `card`, with `value` in its button."""
        hand = self.slack.as_user(user)
        block, element = hand._find(card, "approve", "button", value=None, stale=False)
        action = hand._payloads.action(block, {**element, "value": value}, {})
        payload = hand._payloads.message_action(hand.user, card, action, {})
        body = urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return body, {**kind, **self.slack.sign(body)}

    def clicks(self, card: Message, values: Sequence[str]) -> list[tuple[bytes, dict[str, str]]]:
        card = copy.deepcopy(card)
        return [
            self.click(card, REVIEWERS[n % len(REVIEWERS)], value, n)
            for n, value in enumerate(values)
        ]

    async def send(self, server: Server, click: tuple[bytes, dict[str, str]]) -> float:
        """From sending to acknowledgement (s)."""
        body, headers = click
        began = time.perf_counter()
        async with self.session.post(
            f"{server.url}/slack/events", data=body, headers=headers
        ) as answer:
            said = await answer.read()
        took = time.perf_counter() - began
        assert answer.status == 200, (answer.status, said)
        return took

    async def close(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def file(scene: Scene, agent: str, handle: str) -> None:
    """The command, the form, its submission."""
    ws = scene.slack.workspace
    hand = scene.slack.as_user(agent)
    answer = await hand.command("/request-deactivate", handle, channel=REVIEW)
    assert answer.status == 200, answer
    for _ in range(2_000):
        if any("reason" in str(v.blocks) for v in ws.views(agent)):
            break
        await asyncio.sleep(0.002)
    answer = await hand.submit({"reason.value": "spam", "what.value": "Sells pills."})
    assert answer.status == 200, answer


@asynccontextmanager
async def scene(folder: Path, speed: float = 1.0) -> AsyncIterator[Scene]:
    folder.mkdir()
    epoch, began = wall(), time.monotonic()
    now = clock(epoch, began, speed)
    slack = FakeSlack(now, burst=1_000_000)
    ws = slack.workspace
    for id in [*AGENTS, *REVIEWERS, "U09MANAGER"]:
        ws.add_user(id, id.lower(), email=f"{id}@example.org")
    ws.add_channel(REVIEW, "review", members=[*AGENTS, *REVIEWERS, ws.bot.id])
    ws.add_usergroup("S01TS", "trust-safety", REVIEWERS)
    platform = SandboxPlatform(now)
    await slack.start()
    await platform.start()
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector) as session:
        made = Scene(folder, slack, platform, epoch, began, speed, session)
        try:
            yield made
        finally:
            await made.close()
            await platform.stop()
            await slack.stop()
