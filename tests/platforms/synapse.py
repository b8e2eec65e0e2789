"""A real Synapse for the tests, and people on it who act with their own sessions."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".work" / "synapse-venv"


@dataclass
class Server:
    """A running server, and who has a session on it."""

    url: str
    token: str  # of @nolone, the bot's own account
    sessions: dict[str, str] = field(default_factory=dict)  # Matrix id -> access token
    numbers: Iterator[int] = field(default_factory=count)

    async def call(
        self, method: str, path: str, token: str | None = None, body: Any = None
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.call(method, f"/_synapse/admin{path}", self.token, body)

    async def add(self, localpart: str | None = None, **facts: Any) -> str:
        """A new account with a session; returns its Matrix id."""
        localpart = localpart or f"person{next(self.numbers)}"
        user_id = f"@{localpart}:ts.localhost"
        body = {"password": "pw-x", **facts}
        status, _ = await self.admin("PUT", f"/v2/users/{quote(user_id, safe='')}", body)
        assert status == 201
        self.sessions[user_id] = await self.log_in(localpart, "pw-x")
        return user_id

    async def log_in(self, localpart: str, password: str) -> str:
        identifier = {"type": "m.id.user", "user": localpart}
        body = {"type": "m.login.password", "identifier": identifier, "password": password}
        status, answer = await self.call("POST", "/_matrix/client/v3/login", body=body)
        assert status == 200, answer
        return str(answer["access_token"])

    async def whoami(self, user_id: str) -> int:
        """The status that the account's own session is answered with."""
        token = self.sessions[user_id]
        return (await self.call("GET", "/_matrix/client/v3/account/whoami", token))[0]

    async def go_public(self, user_id: str) -> None:
        """Have the account in a public room, by which the user directory shows it to everybody."""
        body = {"preset": "public_chat", "visibility": "public"}
        path = "/_matrix/client/v3/createRoom"
        assert (await self.call("POST", path, self.sessions[user_id], body))[0] == 200
        search = "/_matrix/client/v3/user_directory/search"
        for _ in range(600):
            _, found = await self.call(
                "POST", search, self.sessions[user_id], {"search_term": user_id}
            )
            if any(result["user_id"] == user_id for result in found["results"]):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{user_id} never came into the user directory")


@contextmanager
def serve(directory: Path) -> Iterator[Server]:
    """A server for as long as the context lasts, and no longer than this process."""
    if not VENV.exists():
        if os.environ.get("NOLONE_TEST_ALL"):
            pytest.fail("there is no Synapse in .work/synapse-venv: make test-all installs it")
        pytest.skip("there is no Synapse in .work/synapse-venv: make test-all installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(__file__).with_name("start_synapse.sh")
    with subprocess.Popen(
        [script, VENV, directory, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url, (directory / "out.log").read_text()[-2000:]
            yield Server(url, (directory / "admin.tok").read_text().strip())
        finally:
            process.stdin.close()
