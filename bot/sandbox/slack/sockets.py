"""Socket Mode: the connections that the bot opened, and envelopes that wait to be acknowledged."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.sandbox.slack.records import APP_ID

Json = dict[str, Any]


class NotAcknowledged(Exception):
    """The bot did not answer in time, on any connection."""


@dataclass(eq=False)
class Connection:
    socket: web.WebSocketResponse
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Sockets:
    def __init__(self) -> None:
        self._tickets: set[str] = set()
        self._issued = 0
        self._connections: list[Connection] = []
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._changed = asyncio.Event()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._connections)

    def ticket(self) -> str:
        """What `apps.connections.open` hands out; good for one connection."""
        self._issued += 1
        ticket = f"ticket-{self._issued}"
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket)
        self._connections.append(connection)
        self._changed.set()
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self),
                    "connection_info": {"app_id": APP_ID},
                    "debug_info": {"host": "sandbox", "approximate_connection_time": 18060},
                }
            )
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._acknowledge(json.loads(message.data))
        finally:
            self._forget(connection)
        return socket

    async def connected(self, count: int = 1) -> None:
        """Return when so many connections are open."""
        while len(self) < count:
            self._changed.clear()
            await self._changed.wait()

    async def send(self, envelope: Json, within: float, avoid: Connection | None = None) -> Json:
        """Deliver an envelope and return the acknowledgement's payload.

        When the connection breaks before that, the envelope goes out again on another one.
        """
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = answer
        try:
            async with asyncio.timeout(within):
                while not answer.done():
                    connection = await self._next(avoid)
                    with contextlib.suppress(ConnectionError):
                        await connection.socket.send_json(envelope)
                    await self._answered_or_gone(answer, connection)
                    avoid = connection
                return answer.result()
        except TimeoutError:
            raise NotAcknowledged from None
        finally:
            self._waiting.pop(envelope["envelope_id"], None)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell every connection to go, as Slack does every few hours, and hang up."""
        for connection in list(self._connections):
            self._forget(connection)
            with contextlib.suppress(ConnectionError):
                await connection.socket.send_json(
                    {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
                )

    async def cut(self, index: int = 0) -> None:
        """Break one connection without a word."""
        connection = self._connections[index]
        self._forget(connection)
        await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    async def close(self) -> None:
        for connection in list(self._connections):
            self._forget(connection)
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    def _acknowledge(self, answer: Json) -> None:
        waiting = self._waiting.get(answer.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload") or {})

    def _forget(self, connection: Connection) -> None:
        connection.gone.set()
        if connection in self._connections:
            self._connections.remove(connection)
        self._changed.set()

    async def _next(self, avoid: Connection | None) -> Connection:
        """Slack picks any of the connections; here they take turns."""
        await self.connected()
        others = [one for one in self._connections if one is not avoid] or self._connections
        self._turn += 1
        return others[self._turn % len(others)]

    @staticmethod
    async def _answered_or_gone(answer: asyncio.Future[Json], connection: Connection) -> None:
        gone = asyncio.ensure_future(connection.gone.wait())
        either: list[asyncio.Future[Any]] = [answer, gone]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
