"""The client of Slack's Web API. Whoever listens hears what came of each call."""

import re
import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.slack.trouble import error_of, pause_of

# the method, how long it took (s), and what went wrong: Slack's own word, `HTTP 503`, `unreachable`,
# `gave_up` when somebody's time was over, or None
Called = Callable[[str, float, str | None], None]

WORD = re.compile(r"[a-z0-9_]{1,60}|HTTP \d{3}")


class Client(AsyncWebClient):
    """It never sends anything twice by itself: only the outbox tries again."""

    def __init__(self, token: str, api_url: str) -> None:
        super().__init__(token=token, base_url=api_url, retry_handlers=[], timeout=10)
        self.called: list[Called] = []

    async def api_call(self, api_method: str, **args: Any) -> AsyncSlackResponse:
        began = time.monotonic()
        error: str | None = "other"
        try:
            said = await super().api_call(api_method, **args)
            error = None
        except SlackApiError as e:
            error = _word(e)
            raise
        except (ClientError, TimeoutError, OSError):
            error = "unreachable"
            raise
        except CancelledError:
            error = "gave_up"
            raise
        finally:
            for call in self.called:
                call(api_method, time.monotonic() - began, error)
        return said


def _word(e: SlackApiError) -> str:
    if pause_of(e) is not None:
        return "ratelimited"
    word = error_of(e)
    return word if WORD.fullmatch(word) else "other"
