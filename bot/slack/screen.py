"""What one person is shown in answer: forms, and private words."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.slack.background import Background
from bot.slack.views.common import Block

log = logging.getLogger(__name__)

OPEN_WITHIN = 2.0  # s: a trigger lives for three

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
            raise NotShown(f"Slack could not open the form ({e.response['error']})") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise NotShown("Slack did not open the form in time") from e
        view_id: str = said["view"]["id"]
        return view_id

    async def update(self, view_id: str, view: Block) -> None:
        """Show something else in a form, if it is still open."""
        try:
            await self._client.views_update(view_id=view_id, view=view)
        except SlackApiError as e:
            log.info("a form could not be updated: %s", e.response["error"])
        except (ClientError, TimeoutError, OSError):
            log.info("a form could not be updated: Slack could not be reached")

    def tell(self, body: Body, text: str) -> None:
        """Answer a click privately, after its acknowledgement."""
        self._background.start(self._tell(body, text))

    async def _tell(self, body: Body, text: str) -> None:
        if url := body.get("response_url"):
            said = AsyncWebhookClient(url, retry_handlers=[])
            try:
                answer = await said.send(
                    text=text, response_type="ephemeral", replace_original=False
                )
                if answer.status_code == 200:
                    return
            except (ClientError, TimeoutError, OSError):
                pass  # then by direct message
        try:
            await self._client.chat_postMessage(
                channel=body["user"]["id"], text=text, unfurl_links=False, unfurl_media=False
            )
        except SlackApiError as e:
            log.warning("an answer could not be given: %s", e.response["error"])
        except (ClientError, TimeoutError, OSError):
            log.warning("an answer could not be given: Slack could not be reached")
