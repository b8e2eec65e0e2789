"""What goes from Slack to the bot: signed requests, or envelopes where a socket is open."""

import asyncio
import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.ports import Clock
from bot.sandbox.slack.sockets import NotAcknowledged, Sockets

Json = dict[str, Any]

SOCKET_TYPES = {"command": "slash_commands", "event": "events_api"}
"""Everything else is `interactive`."""

RETRY_AFTER = (0, 60_000, 300_000)
"""Slack sends an event again at once, after a minute, and five minutes later."""


@dataclass
class Delivery:
    """Something sent to the bot, and how it answered. Status 0: it did not, within the limit."""

    kind: str
    payload: Json
    at: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    """As sent over HTTP; a socket carries the payload in an envelope instead."""
    envelope_id: str | None = None
    status: int = 0
    response: str = ""
    elapsed: float = 0.0
    """Real seconds."""

    @property
    def answer(self) -> Json | str | None:
        """The body of the response: an object, a text, or None for an empty one."""
        if not self.response:
            return None
        try:
            parsed = json.loads(self.response)
        except ValueError:
            return self.response
        return parsed if isinstance(parsed, dict) else self.response


class Courier:
    def __init__(self, clock: Clock, signing_secret: str, sockets: Sockets, limit: float) -> None:
        self.url: str | None = None
        self.deliveries: list[Delivery] = []
        self.limit = limit
        """The real seconds in which an answer must come."""
        self.retry_events = False
        self._clock = clock
        self._secret = signing_secret
        self._sockets = sockets
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._envelopes = 0

    @property
    def reachable(self) -> bool:
        return self.url is not None or len(self._sockets) > 0

    def sign(self, body: bytes, timestamp: int | None = None) -> dict[str, str]:
        # Bolt compares the timestamp with the wall clock, so here no other clock will do.
        at = int(time.time()) if timestamp is None else timestamp  # noqa: TID251
        digest = hmac.new(self._secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256)
        return {
            "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": f"v0={digest.hexdigest()}",
        }

    async def deliver(self, kind: str, payload: Json) -> Delivery:
        delivery = Delivery(kind, payload, self._clock.now())
        if len(self._sockets) > 0:
            self._envelopes += 1
            delivery.envelope_id = f"envelope-{self._envelopes:08d}"
        else:
            delivery.body, content_type = _encoded(kind, payload)
            delivery.headers = {"Content-Type": content_type, **self.sign(delivery.body)}
        return await self._send(delivery)

    async def again(self, delivery: Delivery, more: Mapping[str, str] | None = None) -> Delivery:
        """The very same bytes, with their old signature; `more` headers are not signed."""
        copy = Delivery(
            delivery.kind,
            delivery.payload,
            self._clock.now(),
            {**delivery.headers, **(more or {})},
            delivery.body,
            delivery.envelope_id,
        )
        return await self._send(copy)

    async def retry(self, delivery: Delivery, number: int) -> Delivery:
        """What Slack does about an event that was not answered: sent anew, and counted."""
        reason = "http_timeout" if delivery.status == 0 else "http_error"
        more = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return await self.again(delivery, {**self.sign(delivery.body), **more})

    async def raw(self, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """Any bytes, signed or not, as somebody else might send them."""
        return await self._send(Delivery("raw", {}, self._clock.now(), dict(headers), body))

    def in_background(self, payload: Json) -> None:
        """Deliver an event, as Slack does, some time soon; nobody waits for it."""
        if self.reachable:
            self._spawn(self._event(payload))

    async def settled(self) -> None:
        """Return when nothing is under way any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _event(self, payload: Json) -> None:
        delivery = await self.deliver("event", payload)
        first = self._clock.now()
        for number, after in enumerate(RETRY_AFTER, start=1):
            if not self.retry_events or 200 <= delivery.status < 300:
                return
            await self._clock.wait(first + after, asyncio.Event())
            delivery = await self.retry(delivery, number)

    async def _send(self, delivery: Delivery) -> Delivery:
        self.deliveries.append(delivery)
        started = asyncio.get_running_loop().time()
        if delivery.envelope_id is not None:
            await self._send_envelope(delivery)
        else:
            await self._post(delivery)
        delivery.elapsed = asyncio.get_running_loop().time() - started
        return delivery

    async def _send_envelope(self, delivery: Delivery) -> None:
        envelope: Json = {
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "type": SOCKET_TYPES.get(delivery.kind, "interactive"),
            "accepts_response_payload": delivery.kind in ("command", "view_submission"),
        }
        if delivery.kind == "event":
            number = int(delivery.headers.get("X-Slack-Retry-Num", "0"))
            reason = delivery.headers.get("X-Slack-Retry-Reason", "")
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        try:
            answer = await self._sockets.send(envelope, self.limit)
        except NotAcknowledged:
            return
        delivery.status = 200
        delivery.response = json.dumps(answer) if answer else ""

    async def _post(self, delivery: Delivery) -> None:
        if self.url is None:
            raise RuntimeError("nowhere to deliver to: call deliver_to(url) or connect a socket")
        if self._session is None:
            # An answer that comes late still ends its connection, so connections are not kept.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(connector=connector)
        timeout = aiohttp.ClientTimeout(total=self.limit)
        try:
            async with self._session.post(
                self.url, data=delivery.body, headers=delivery.headers, timeout=timeout
            ) as response:
                delivery.response = await response.text()
                delivery.status = response.status
        except (TimeoutError, aiohttp.ClientConnectionError):
            delivery.status, delivery.response = 0, ""


def _encoded(kind: str, payload: Json) -> tuple[bytes, str]:
    form = "application/x-www-form-urlencoded"
    if kind == "command":
        return urllib.parse.urlencode(payload).encode(), form
    if kind == "event":
        return json.dumps(payload).encode(), "application/json"
    return urllib.parse.urlencode({"payload": json.dumps(payload)}).encode(), form
