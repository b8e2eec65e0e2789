"""Incoming webhooks of another app, each bound to one channel: what is posted there is that app's.

Slack answers them in plain text, with a status of its own for each refusal.
"""

import secrets
from typing import Any

from bot.sandbox.slack.allowance import Allowance
from bot.sandbox.slack.chat import POST_LENGTH, checked_blocks, checked_words
from bot.sandbox.slack.records import OtherApp
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

KEEPER = OtherApp("B02KEEPER", "trail-keeper")

_STATUS = {
    "action_prohibited": 403,
    "posting_to_general_channel_denied": 403,
    "invalid_token": 403,
    "team_disabled": 403,
    "channel_not_found": 404,
    "no_active_hooks": 404,
    "no_service": 404,
    "no_team": 404,
    "channel_is_archived": 410,
    "rollup_error": 500,
}


def webhook_status(error: str) -> int:
    """The HTTP status that goes with an error; what is wrong with the payload is a 400."""
    return _STATUS.get(error, 400)


class Webhooks:
    def __init__(self, ws: Workspace, allowance: Allowance) -> None:
        """`allowance`: how often one webhook may post."""
        self._ws = ws
        self._allowance = allowance
        self._channels: dict[str, str] = {}

    def add(self, channel: str) -> str:
        """The path of a new webhook that posts to `channel`: whoever knows it may post."""
        path = f"{self._ws.team}/{KEEPER.bot_id}/{secrets.token_hex(12)}"
        self._channels[path] = channel
        return path

    def post(self, path: str, said: Any) -> None:
        """Raises `Refusal`, and `TooMany` for a 429."""
        if path.partition("/")[0] != self._ws.team:
            raise Refusal("no_team")
        if path not in self._channels:
            raise Refusal("no_service")
        self._allowance.take(path, self._ws.clock.now())
        if not isinstance(said, dict):
            raise Refusal("invalid_payload")
        channel = self._ws.channels.get(self._channels[path])
        if channel is None:
            raise Refusal("channel_not_found")
        if channel.archived:
            raise Refusal("channel_is_archived")
        text = said.get("text", "")
        if not isinstance(text, str):
            raise Refusal("invalid_payload")
        blocks = checked_blocks(self._ws, said.get("blocks"))
        checked_words(self._ws, text, blocks)
        self._ws.post(channel.id, text[:POST_LENGTH], blocks, app=KEEPER)
