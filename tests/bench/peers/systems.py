"""The systems that are compared: each a process that is started, told what to do, and asked."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from bot.sandbox.slack.records import Message
from tests.bench.proc import resident, spent
from tests.bench.scene import Scene

from .load import Load, Loaded

LINE = 1 << 26  # bytes of a line that is read at most
REVIEWERS = ("U02REV00", "U02REV01")


class System(Protocol):
    name: str

    async def start(self) -> None:
        """Return when it has taken what it needs to work."""
        ...

    async def load(self, load: Load) -> Loaded: ...

    def memory(self) -> float:
        """MB"""
        ...

    async def stop(self) -> None: ...


class Told:
    """A process that is told its loads over its input, with the clients in it (see load.py)."""

    def __init__(self, name: str, python: str, module: str, **given: Any) -> None:
        self.name = name
        self._command = (python, "-m", f"{__package__}.{module}", json.dumps(given))

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, limit=LINE
        )
        assert await self._line() == "up"

    async def load(self, load: Load) -> Loaded:
        assert self._process.stdin is not None
        said = json.dumps({"clients": load.clients, "requests": load.requests})
        self._process.stdin.write(f"{said}\n".encode())
        return Loaded(**await self._line())

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, f"{self.name} has ended"
        return json.loads(line)

    def memory(self) -> float:
        return resident(self._process.pid)

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


class Replicas:
    """Several processes on one database, with the clients spread over them. Their memory is that of
    all; they start one after the other."""

    def __init__(self, name: str, each: Sequence[Told]) -> None:
        self.name, self._each = name, each

    async def start(self) -> None:
        for one in self._each:
            await one.start()

    async def load(self, load: Load) -> Loaded:
        some = self._each[: load.clients]
        part = Load(max(1, load.clients // len(some)), max(1, load.requests // len(some)))
        began = time.monotonic()
        did = await asyncio.gather(*(one.load(part) for one in some))
        given = {id: at for one in did for id, at in one.given.items()}
        return Loaded(time.monotonic() - began, sum(one.cpu for one in did), given)

    def memory(self) -> float:
        return sum(one.memory() for one in self._each)

    async def stop(self) -> None:
        for one in self._each:
            await one.stop()


class Clients:
    """A process that serves HTTP, and clients of it in this process."""

    name: str
    _process: asyncio.subprocess.Process

    async def load(self, load: Load) -> Loaded:
        given: dict[str, float] = {}
        rest = iter(range(load.requests))
        began, had = time.monotonic(), spent(self._process.pid)
        await asyncio.gather(*(self._client(rest, given) for _ in range(load.clients)))
        return Loaded(time.monotonic() - began, spent(self._process.pid) - had, given)

    async def _client(self, rest: Iterator[int], given: dict[str, float]) -> None:
        raise NotImplementedError

    def memory(self) -> float:
        return resident(self._process.pid)

    async def stop(self) -> None:
        self._process.kill()
        await self._process.wait()


class Bare(Clients):
    """Bolt and an insert."""

    def __init__(self, name: str, scene: Scene, card: Message, database: Path, hook: str) -> None:
        self.name = name
        self._scene, self._card, self._database, self._hook = scene, card, database, hook
        self._numbers = iter(range(1_000_000))

    async def start(self) -> None:
        slack = self._scene.slack
        given = {
            "database": str(self._database),
            "hook": self._hook,
            "slack_url": slack.api_url,
            "token": slack.bot_token,
            "secret": slack.signing_secret,
        }
        command = (sys.executable, "-m", f"{__package__}.bare", json.dumps(given))
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._url = f"http://127.0.0.1:{int(await self._process.stdout.readline())}/slack/events"

    async def _client(self, rest: Iterator[int], given: dict[str, float]) -> None:
        for _ in rest:
            id = f"b{next(self._numbers)}"
            for person in ("U01AGENT00", *REVIEWERS):
                body, headers = self._scene.click(self._card, person, id, 0)
                given[id] = time.monotonic()
                async with self._scene.session.post(self._url, data=body, headers=headers) as said:
                    assert said.status == 200, await said.text()


class AirGate(Clients):
    """As its README has it: uvicorn, SQLite, and an approver's token. It knows no quorum: the first
    approval decides, and the second is recorded."""

    def __init__(
        self, name: str, python: str, session: aiohttp.ClientSession, folder: Path, hook: str
    ) -> None:
        self.name = name
        self._python, self._session, self._folder, self._hook = python, session, folder, hook

    async def start(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        command = (
            "-m",
            "uvicorn",
            "air_gate.proxy:app",
            "--log-level",
            "warning",
            "--port",
            str(port),
        )
        self._process = await asyncio.create_subprocess_exec(
            *(self._python, *command),
            env={
                "GATE_SIGNING_KEY": "a key of the bench",
                "GATE_APPROVAL_TOKEN": "a token of the bench",
                "GATE_STORAGE_PATH": str(self._folder / f"gate{port}.db"),
            },
            stderr=asyncio.subprocess.DEVNULL,
        )
        while True:
            try:
                async with self._session.get(f"{self._url}/stats") as said:
                    assert said.status == 200
                    return
            except aiohttp.ClientConnectorError:
                assert self._process.returncode is None, "it did not start"
                await asyncio.sleep(0.01)

    async def _client(self, rest: Iterator[int], given: dict[str, float]) -> None:
        for _ in rest:
            action = {
                "agent_id": "U01AGENT00",
                "action_type": "api_call",
                "tool_name": "deactivate",
                "payload": {"what_happened": "Sells pills to whoever will have them."},
                "callback_url": f"{self._hook}/a",
            }
            id = (await self._post("/actions", action))["event_id"]
            for person in REVIEWERS:
                await self._post(f"/actions/{id}/approve", {"authorized_by": person})

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": "Bearer a token of the bench"}
        async with self._session.post(self._url + path, json=body, headers=headers) as said:
            assert said.status == 200, await said.text()
            return await said.json()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
