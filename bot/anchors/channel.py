"""The Slack channel that the policy names: whoever is in it keeps every checkpoint, and sees it come.

A bot's own token can delete what the bot posted. So a second app's incoming webhook posts where one
is configured, and the bot only reads back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aiohttp import ClientError
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.ledger.checkpoint import Checkpoint, short
from bot.ports import AnchorError, Consistency, Published

LOOK_AT = 100  # of the newest messages, when asked for the newest checkpoint
TIMEOUT = 10  # s


class Channel:
    name = "channel"

    def __init__(
        self,
        client: AsyncWebClient,
        channel: Callable[[], str | None],
        webhook: SecretStr | None = None,
    ) -> None:
        """`channel`: its id by the policy in force; `webhook`: the second app's, into that channel."""
        self._client = client
        self._channel = channel
        self._webhook = webhook

    @property
    def weak(self) -> str | None:
        if self._webhook is not None:
            return None
        return "the bot posts there itself, and whoever holds its token can delete it"

    async def publish(self, head: Checkpoint, signed: bytes, since: Consistency) -> Published:
        channel = self._id()
        entries = "1 entry" if head.size == 1 else f"{head.size} entries"
        text = f"Checkpoint of {head.origin}: {entries}, root {short(head.root)}"
        blocks = [_plain(text), _preformatted(signed.decode())]
        try:
            if self._webhook is None:
                await self._client.chat_postMessage(
                    channel=channel,
                    text=text,
                    blocks=blocks,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            else:
                await self._by_the_second_app(self._webhook, text, blocks)
        except SlackApiError as e:
            raise AnchorError(f"Slack answers {e.response['error']}") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise AnchorError("Slack could not be reached") from e
        return Published(signed, channel)

    async def _by_the_second_app(
        self, webhook: SecretStr, text: str, blocks: Sequence[dict[str, Any]]
    ) -> None:
        sender = AsyncWebhookClient(webhook.get_secret_value(), timeout=TIMEOUT, retry_handlers=[])
        answer = await sender.send(text=text, blocks=blocks)
        if answer.status_code != 200:
            said = answer.body[:80] if answer.body.isprintable() else "nothing that can be read"
            raise AnchorError(f"the webhook answers {answer.status_code}: {said}")

    async def latest(self, kept: bytes | None) -> Sequence[bytes]:
        try:
            said = await self._client.conversations_history(channel=self._id(), limit=LOOK_AT)
        except SlackApiError as e:
            raise AnchorError(f"it cannot be read: Slack answers {e.response['error']}") from e
        except (ClientError, TimeoutError, OSError) as e:
            raise AnchorError("Slack could not be reached") from e
        messages: Sequence[Mapping[str, Any]] = said["messages"]
        return [text.encode() for message in messages for text in _quoted(message)]

    async def aclose(self) -> None:
        return

    def _id(self) -> str:
        channel = self._channel()
        if channel is None:
            raise AnchorError("the policy names no channel for it")
        return channel


def _plain(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _preformatted(text: str) -> dict[str, Any]:
    """Exactly these characters: in mrkdwn Slack would make links of some."""
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [element]}


def _quoted(message: Mapping[str, Any]) -> Iterator[str]:
    """What stands preformatted in a message."""
    for block in message.get("blocks", ()):
        for element in block.get("elements", ()):
            if element.get("type") == "rich_text_preformatted":
                parts = element.get("elements", ())
                yield "".join(str(p.get("text") or p.get("url") or "") for p in parts)
