"""What one person is shown in answer: forms, and private words."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.slack.background import Background
from bot.slack.trouble import error_of
from bot.slack.views.common import Block

log = logging.getLogger(__name__)

OPEN_WITHIN = 2.0  # s: a trigger lives for three
LINK_WITHIN = 1.0  # s: it goes into an answer that has three

Body = Mapping[str, Any]


class NotShown(Exception):
    """A form could not be opened."""


class Screen:
    def __init__(self, client: AsyncWebClient, background: Background) -> None:
        self._client = client
        self._background = background

    async def open(self, body: Body, view: Block) -> str:
        """Open a form on top of whatever form is open; its view id. Raises NotShown."""
        show: Callable[..., Awaitable[Any]] = self._client.views_open
        if body.get("view", {}).get("type") == "modal":
            show = self._client.views_push
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                said = await show(trigger_id=body["trigger_id"], view=view)
        except SlackApiError as e:
            raise NotShown(f"Slack could not open the form ({error_of(e)})") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise NotShown("Slack did not open the form in time") from e
        view_id: str = said["view"]["id"]
        return view_id

    async def update(self, view_id: str, view: Block) -> None:
        """Show something else in a form, if it is still open."""
        try:
            await self._client.views_update(view_id=view_id, view=view)
        except SlackApiError as e:
            log.info("a form could not be updated: %s", error_of(e))
        except (ClientError, TimeoutError, OSError):
            log.info("a form could not be updated: Slack could not be reached")

    async def permalink(self, channel: str, ts: str) -> str | None:
        """The address of a message, if Slack says it while somebody waits for an answer."""
        try:
            async with asyncio.timeout(LINK_WITHIN):
                said = await self._client.chat_getPermalink(channel=channel, message_ts=ts)
        except (SlackApiError, ClientError, TimeoutError, OSError):
            return None
        link: str = said["permalink"]
        return link

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it after the acknowledgement."""
        self._background.start(work)

    def tell(self, body: Body, text: str) -> None:
        """Answer a click privately, after its acknowledgement."""
        self._background.start(self.answer(body, {"text": text}))

    def offer(self, body: Body, best: dict[str, Any], plain: dict[str, Any]) -> None:
        """Answer a command beside its acknowledgement: with `best` where Slack takes it, else with
        `plain`. An acknowledgement that is refused could be neither seen nor made good."""
        self._background.start(self._offer(body, best, plain))

    def replace(self, body: Body, reply: dict[str, Any]) -> None:
        """Put something else in the place of the private answer that was clicked."""
        self._background.start(self._replace(body, reply))

    async def _replace(self, body: Body, reply: dict[str, Any]) -> None:
        if not await self._respond(body, replace_original=True, **reply):
            too_old = "That answer is too old to be turned over: please ask again."
            await self.answer(body, {"text": too_old})

    async def _offer(self, body: Body, best: dict[str, Any], plain: dict[str, Any]) -> None:
        if not await self._respond(body, replace_original=False, **best):
            await self.answer(body, plain)

    async def _respond(self, body: Body, **reply: Any) -> bool:
        """Whether Slack took it; an answer's address lives for half an hour and five times."""
        if not (url := body.get("response_url")):
            return False
        try:
            said = AsyncWebhookClient(url, session=self._client.session, retry_handlers=[])
            answer = await said.send(response_type="ephemeral", **reply)
        except (ClientError, TimeoutError, OSError):
            return False
        return answer.status_code == 200

    async def answer(self, body: Body, reply: dict[str, Any]) -> None:
        """Say something privately, long after the acknowledgement: there, else by direct message."""
        if await self._respond(body, replace_original=False, **reply):
            return
        person = body["user"]["id"] if "user" in body else body["user_id"]
        try:
            await self._client.chat_postMessage(
                channel=person, unfurl_links=False, unfurl_media=False, **reply
            )
        except SlackApiError as e:
            log.warning("an answer could not be given: %s", error_of(e))
        except (ClientError, TimeoutError, OSError):
            log.warning("an answer could not be given: Slack could not be reached")
