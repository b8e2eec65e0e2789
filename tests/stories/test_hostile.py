"""Text that is meant to deceive, in every place where somebody else's text can come in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bot.core.request import Phase
from bot.core.text import visible
from bot.sandbox.slack.records import Message, View
from bot.sandbox.world import LOBBY
from stories.telling import (
    AGENT,
    FORM,
    LENA,
    MAX,
    MINUTE,
    OMAR,
    PRES1DENT,
    START,
    TESSA,
    Story,
    mrkdwn,
    text_of,
    texts,
)

HOSTILE = {
    "everyone": "@everyone @channel @here",
    "a call": "<!channel> <!here> <!everyone> <!subteam^S0EVIL>",
    "a link": "<https://evil.example/|https://good.example/> <https://evil.example>",
    "a mention": "<@U0EVIL> <#C0EVIL|general>",
    "a date": "<!date^0^{date}|yesterday>",
    "already escaped": "&lt;!channel&gt; &amp;",
    "right to left": "gro.elpmaxe\u202e@dlo \u2066hidden\u2069",
    "zero width": "ad\u200bmi\u200dn\ufeff \u3164 \u2800 \u00ad",
    "emoji": "👩‍👩‍👧 :white_check_mark: 🏳️‍🌈",
    "newlines": "one\n\n\ntwo\r\nthree\u2028four\x0bfive",
    "controls": "bell\x07 escape\x1b[31m nul\x00",
    "markup": "*bold* _it_ ~no~ `code` ```block``` > quote",
    "combining": "Z̸̢̛a̸l̴g̵o" * 15,
}
LONG = "x" * 10_000

ALLOWED = re.compile(
    r"<@(?:U01AGENT|U02REV|U03REV|U05LEGAL|U09MANAGER)>"
    r"|<!subteam\^S01TS>"
    r"|<!date\^\d{10}\^(?:\{date_short_pretty\} at \{time_secs\}|\{date_short\})"
    r"\|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z>"
)


def everything(s: Story) -> Iterator[Message | View]:
    """All that stands anywhere in the workspace: messages, whispers, forms."""
    for channel in s.ws.channels.values():
        yield from (m for m in channel.messages.values() if m.bot)
    for user in s.ws.users:
        yield from (m for m in s.ws.ephemerals(user) if m.bot)
        yield from s.ws.views(user)


def assert_safe(s: Story) -> None:
    for shown in everything(s):
        parts = [part["text"] for part in mrkdwn(shown.blocks)]
        if isinstance(shown, Message):
            parts.append(shown.text)
        for part in parts:
            rest = ALLOWED.sub("", part)
            assert "<" not in rest, rest
            assert ">" not in rest, rest
        for part in mrkdwn(shown.blocks):
            assert part.get("verbatim") is True
        for text in texts(shown.blocks):
            assert visible(text) == text, text
        if isinstance(shown, Message):
            assert visible(shown.text) == shown.text
    for call in s.w.slack.calls:
        assert call.response is not None
        assert call.response["ok"] or call.response.get("error") == "ratelimited", call
    assert not any(view.trouble for user in s.ws.users for view in s.ws.views(user))


async def submitted(s: Story, user: str, values: dict[str, str]) -> str:
    """Send a form from a client that checks no lengths."""
    view = s.ws.views(user)[-1]
    for block in view.blocks:
        if block["type"] == "input" and "max_length" in block["element"]:
            block["element"]["max_length"] = 100_000
    return await s.submit(user, values)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_people_type_is_never_a_mention_a_link_or_hidden(s: Story, kind: str) -> None:
    text = HOSTILE[kind]
    await s.look_up("@president")
    said = await s.submit(
        AGENT,
        {
            **FORM,
            "what.value": text,
            "clause.value": text,
            "ticket.value": text,
            "evidence.value": "https://e.example/<!channel>\nhttps://\u202eevil.example/x?@everyone",
        },
    )
    assert "is filed" in said
    await s.calm()
    await s.click(MAX, "details")
    await s.click(TESSA, "approve_form")
    await s.submit(TESSA)
    await s.approve(LENA)
    await s.skip(30 * MINUTE)
    await s.calm()
    assert s.deactivated("acct-1000")
    await s.restore(OMAR, text)
    await s.look_up("@ada")
    await s.submit(AGENT, {**FORM, "what.value": text})
    await s.calm()
    await s.veto(OMAR, text, "R-3")
    assert await s.phase("R-3") is Phase.VETOED
    await s.click(MAX, "details", s.card("R-3"))
    await s.hand(TESSA).open_home()
    await s.settle()
    assert_safe(s)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_is_typed_as_a_command_is_not_either(s: Story, kind: str) -> None:
    for words in ("{}", "status {}", "veto {}", "withdraw {}", "{} R-1", "demo:{}"):
        await s.type(AGENT, words.format(HOSTILE[kind]))
    assert_safe(s)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_the_platform_says_is_not_either(s: Story, kind: str) -> None:
    text = HOSTILE[kind]
    s.w.platform.update(PRES1DENT, display_name=text, state="deactivated", by=text, since=START)
    await s.look_up()
    s.w.platform.update(PRES1DENT, state="active")
    await s.file()
    await s.approve(TESSA)
    s.w.platform.update(PRES1DENT, handle=text)
    await s.until_ready()
    assert (await s.request()).round == 2
    await s.type(AGENT, "status")
    await s.click(MAX, "details")
    await s.hand(TESSA).open_home()
    await s.approve(TESSA)
    s.w.platform.update(PRES1DENT, state="deactivated", by=text)
    await s.until_ready()
    assert await s.phase() is Phase.EXECUTED
    assert_safe(s)


@pytest.mark.parametrize("field", ["what", "clause", "ticket", "evidence", "reason"])
async def test_ten_thousand_characters_are_refused_where_they_stand(s: Story, field: str) -> None:
    await s.look_up()
    long = LONG if field != "evidence" else "\n".join(["https://e.example/" + "x" * 400] * 25)
    if field == "reason":
        await s.submit(AGENT, FORM)
        await s.click(TESSA, "veto")
        said = await submitted(s, TESSA, {"reason.value": LONG})
        assert "At most 1500 characters; these are 10000." in said
        assert await s.phase() is Phase.OPEN
    else:
        said = await submitted(s, AGENT, {**FORM, f"{field}.value": long})
        assert said.startswith("At most ")
        assert await s.kinds() == []
    assert_safe(s)


async def test_ten_thousand_characters_as_a_handle(s: Story) -> None:
    answer = await s.hand(AGENT).command("/request-deactivate", LONG, channel=LOBBY)
    assert (answer.status, answer.error) == (200, None)
    await s.settle()
    assert "There is no such account." in text_of(s.ws.views(AGENT)[-1])
    assert_safe(s)


async def test_the_longest_of_everything_still_fits_on_a_card(s: Story) -> None:
    """The most that each field takes, in characters that are shown as seven."""
    s.w.platform.update(PRES1DENT, display_name="\u202e" * 3000)
    await s.look_up()
    links = "\n".join(f"https://{'e' * 60}{n}.{'x' * 60}.example/" for n in range(19))
    said = await s.submit(
        AGENT,
        {
            **FORM,
            "what.value": "\u202e" * 2500,
            "clause.value": "&" * 200,
            "ticket.value": "\u202e" * 200,
            "evidence.value": links,
        },
    )
    assert "is filed" in said
    await s.calm()
    await s.click(MAX, "details")
    assert len(s.ws.views(MAX)) == 1
    await s.click(TESSA, "veto")
    await s.submit(TESSA, {"reason.value": "&" * 1500})
    assert await s.phase() is Phase.VETOED
    assert "vetoed" in s.card().text
    assert len(s.thread()) == 2
    await s.click(MAX, "details")
    assert_safe(s)


async def test_a_restore_with_the_longest_reason(s: Story) -> None:
    await s.executed()
    await s.restore(OMAR, "\u202e" * 1500)
    assert not s.deactivated()
    assert_safe(s)


async def test_hidden_characters_are_shown_by_their_numbers(s: Story) -> None:
    await s.file(what="moc.live\u202e\u200b")
    assert "moc.live⟨U+202E⟩⟨U+200B⟩" in s.says()


async def test_a_reason_that_only_looks_like_ours_names_nobody(s: Story) -> None:
    await s.file()
    await s.veto(TESSA, "the quorum no longer stands (<@U0EVIL>: no longer in legal)")
    assert_safe(s)
    assert "&lt;@U0EVIL&gt;" in s.thread()[-1]


def test_the_guard_of_these_tests_sees_what_it_must() -> None:
    for bad in ("<!channel>", "<@U0EVIL>", "<https://e.example|x>", "<!date^0^{date}|yesterday>"):
        assert "<" in ALLOWED.sub("", bad)
    found: list[dict[str, Any]] = list(mrkdwn([{"elements": [{"type": "mrkdwn", "text": "x"}]}]))
    assert len(found) == 1
