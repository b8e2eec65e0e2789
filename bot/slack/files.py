"""Exports to Slack, each as one file in the direct messages of whoever asked for it.

Slack gives no idempotency key here, and shares a file some time after it said yes. So the message
with the file carries the file's name, no two of which are the same, and is looked for by that; and
where it may be on its way, a pause and another look come before it is sent anew.
"""

from collections.abc import Awaitable, Callable
from typing import IO, Any

from aiohttp import ClientError, ClientTimeout
from slack_sdk.web.async_client import AsyncWebClient

from bot.audit.exporting import Exporter
from bot.core.events import Exported
from bot.ports import NotDelivered
from bot.slack.views import coming

Call = Callable[..., Awaitable[Any]]  # as SlackMessenger calls Slack
Find = Callable[[str, int, str], Awaitable[bool]]  # whether a text was sent, since (ms), where

SHARED_WITHIN = 30_000  # ms that Slack may take to share a file, after its answer or the loss of it
UPLOAD_WITHIN = ClientTimeout(total=20)  # s; the client's own is for calls without a file


class Files:
    def __init__(self, client: AsyncWebClient, exports: Exporter, call: Call, find: Find) -> None:
        self._client = client
        self._exports = exports
        self._call = call
        self._find = find
        self._missed: set[str] = set()  # keys that were looked for once, and not found yet

    async def send(self, key: str, event: Exported, seq: int, to: str, look: bool) -> bool:
        """Send the file, unless it is there. False: it cannot be made again as it was recorded.

        Raises NotDelivered, and what makes a file impossible.
        """
        opened = await self._unseen(self._client.conversations_open, to, users=to)
        channel = opened["channel"]["id"]
        if look:
            if await self._find(coming.mark(event, seq), event.at, channel):
                return True
            if key not in self._missed:
                self._missed.add(key)
                raise NotDelivered(
                    "the file may be on its way", unclear=True, retry_after_ms=SHARED_WITHIN
                )
        wanted = event.format, event.since, event.until, event.size
        async with self._exports.file(*wanted) as (made, file):
            if made.digest != event.digest:
                return False
            id = await self._upload(coming.name(event, seq), made.length, file, to)
        await self._complete(id, event, seq, channel)
        return True

    async def _upload(self, name: str, length: int, file: IO[bytes], to: str) -> str:
        """Give Slack the bytes; until it is completed, nobody sees anything of it."""
        place = await self._unseen(
            self._client.files_getUploadURLExternal, to, filename=name, length=length
        )
        session = self._client.session
        assert session is not None  # one for all calls; see wiring
        try:
            async with session.post(
                place["upload_url"],
                data=file,
                proxy=self._client.proxy,
                allow_redirects=False,
                timeout=UPLOAD_WITHIN,
            ) as answer:
                if answer.status != 200:
                    raise NotDelivered(f"Slack answers HTTP {answer.status} to the file")
        except (ClientError, TimeoutError, OSError) as e:
            raise NotDelivered("Slack could not be reached with the file") from e
        return str(place["file_id"])

    async def _unseen(self, method: Any, to: str, **args: Any) -> Any:
        """A call that nobody sees anything of, whatever comes of it."""
        try:
            return await self._call(method, to, **args)
        except NotDelivered as e:
            raise NotDelivered(str(e), retry_after_ms=e.retry_after_ms) from e

    async def _complete(self, id: str, event: Exported, seq: int, channel: str) -> None:
        try:
            await self._call(
                self._client.files_completeUploadExternal,
                channel,
                files=[{"id": id, "title": coming.name(event, seq)}],
                channel_id=channel,
                initial_comment=coming.comment(event, seq),
            )
        except NotDelivered as e:
            if e.unclear:
                raise NotDelivered(str(e), unclear=True, retry_after_ms=SHARED_WITHIN) from e
            raise
