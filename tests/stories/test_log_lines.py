"""Every line of the log is one JSON object that says what it is about, and tells no secret."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bot.core.subject import SubjectId
from bot.logs import JsonLines
from bot.sandbox.slack import Error
from bot.sandbox.world import World
from stories.telling import AGENT, GUEST, LENA, MAX, OMAR, TESSA, Story
from stories.test_secrets import CLAUSE, EVIDENCE, REASON, TICKET, WHAT, story


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written as JSON, everything of ours at DEBUG and of the libraries what they say at all."""
    to = io.StringIO()
    handler = logging.StreamHandler(to)
    handler.setFormatter(JsonLines("replica-1"))
    root, ours = logging.getLogger(), logging.getLogger("bot")
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    yield to
    root.removeHandler(handler)
    root.setLevel(before[0])
    ours.setLevel(before[1])


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_a_hostile_story_leaves_nothing_in_the_log(s: Story, written: io.StringIO) -> None:
    await story(s)
    slack, platform = s.w.slack, s.w.platform
    for said in lines(written):
        assert {"at", "level", "logger", "message", "replica"} <= said.keys()
    assert [said for said in lines(written) if said["logger"].startswith("bot.")]
    text = written.getvalue()
    unsaid = [slack.bot_token, slack.app_token, slack.signing_secret, platform.token]
    unsaid += [WHAT, EVIDENCE, REASON, TICKET, CLAUSE, "pres1dent", "acct-1001", "pipit.example"]
    unsaid += ["letter-77", "moon", "forgery", "response_url", "hooks/", "/services/", "payload="]
    unsaid += [a.display_name for a in platform.accounts.values()]
    unsaid += [a.handle for a in platform.accounts.values()]
    unsaid += [u.real_name for u in s.ws.users.values()]
    unsaid += [AGENT, TESSA, OMAR, LENA, MAX, GUEST]
    for word in unsaid:
        assert word not in text, word


async def test_an_error_on_the_way_quotes_nothing(
    w: World, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors that nobody foresaw, with everything in them that errors quote."""
    s = Story(w)
    platform = s.w.bot.engine.platforms["demo"]

    async def fails(subject: SubjectId) -> None:
        raise KeyError(f"{subject} of @pres1dent, see {EVIDENCE}?token={s.w.slack.bot_token}")

    await s.cooling_off(what=WHAT)
    monkeypatch.setattr(platform, "fetch", fails)
    eta = (await s.request()).eta
    assert eta is not None
    s.w.clock.skip(eta - s.w.clock.now())
    await s.w.bot.worker.settled()
    (said,) = [x for x in lines(written) if x["message"] == "request/R-1 failed"][:1]
    assert said["request"] == said["stream"] == "R-1"
    assert said["error"][0] == "builtins.KeyError"
    assert any(line.startswith("at bot.engine:") for line in said["error"])
    for word in ("pres1dent", "acct-1001", EVIDENCE, s.w.slack.bot_token):
        assert word not in written.getvalue(), word


async def test_a_line_says_which_message_it_is_about(s: Story, written: io.StringIO) -> None:
    await s.file()
    s.w.slack.fail("chat.postMessage", *[Error("user_not_found")] * 3)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    told = [x for x in lines(written) if "user_not_found" in x["message"]]
    direct = next(x for x in told if x.get("what") == "direct")
    assert (direct["request"], direct["stream"]) == ("R-1", "R-1")
    assert direct["seq"] > 1
    assert direct["replica"] == "replica-1"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", direct["at"])


async def test_a_line_says_which_kind_of_delivery_it_is_about(
    w: World, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = Story(w)
    await s.file()

    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError(f"no {WHAT}")

    card = s.card()
    monkeypatch.setattr(s.w.bot.engine, "_facts", fails)
    answer = await s.hand(TESSA).click(card, "approve")
    assert answer.status == 500
    (said,) = [x for x in lines(written) if x["message"] == "a delivery failed"]
    assert (said["delivery"], said["request"]) == ("block_actions", "R-1")
    assert said["error"][0] == "builtins.RuntimeError"
    assert WHAT not in written.getvalue()


async def test_what_is_started_with_the_bot_is_about_no_request(
    s: Story, written: io.StringIO
) -> None:
    """What one task says of itself is in no line of another."""
    await s.executed()
    s.w.slack.fail("webhook", *[Error("no_service")] * 99)
    await s.file("@ada")
    for _ in range(3):
        await s.skip(60_000)
    (said, *_) = [x for x in lines(written) if x["logger"] == "bot.anchoring"]
    assert not {"request", "stream", "seq", "what", "delivery"} & said.keys()
