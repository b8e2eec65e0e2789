"""Slack's refusals, and the answers of whatever stands between Slack and us."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.trouble import error_of, pause_of, status_of


@pytest.fixture
async def answers() -> AsyncIterator[tuple[dict[str, web.Response], AsyncWebClient]]:
    """A server that answers each method as it is told to, and a client of it."""
    said: dict[str, web.Response] = {}

    async def answer(request: web.Request) -> web.Response:
        return said[request.match_info["method"]]

    app = web.Application()
    app.router.add_post("/api/{method}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    yield said, AsyncWebClient("xoxb-test", base_url=base, retry_handlers=[])
    await runner.cleanup()


CASES = {
    "a word": (
        web.json_response,
        ({"ok": False, "error": "is_archived"},),
        {},
        "is_archived",
        None,
    ),
    "a 429": (
        web.json_response,
        ({"ok": False, "error": "ratelimited"},),
        {"status": 429, "headers": {"Retry-After": "7"}},
        "ratelimited",
        7000,
    ),
    "a 429 of a proxy": (
        web.Response,
        (),
        {"status": 429, "text": "slow down", "headers": {"Retry-After": "soon"}},
        "HTTP 429",
        1000,
    ),
    "a page": (
        web.Response,
        (),
        {"status": 503, "text": "<html>", "content_type": "text/html"},
        "HTTP 503",
        None,
    ),
    "a text": (web.Response, (), {"status": 502, "text": "bad gateway"}, "HTTP 502", None),
    "broken JSON": (
        web.Response,
        (),
        {"status": 500, "text": "{", "content_type": "application/json"},
        "HTTP 500",
        None,
    ),
    "nothing": (web.Response, (), {"status": 504}, "HTTP 504", None),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_is_told_in_slacks_word_or_by_its_status(
    answers: tuple[dict[str, web.Response], AsyncWebClient], case: str
) -> None:
    said, client = answers
    make, args, more, word, pause = CASES[case]
    said["auth.test"] = make(*args, **more)  # type: ignore[operator]
    with pytest.raises(SlackApiError) as caught:
        await client.auth_test()
    assert error_of(caught.value) == word
    assert pause_of(caught.value) == pause
    assert status_of(caught.value) == more.get("status", 200)
