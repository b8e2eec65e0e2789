"""A manager asks for figures, and gets them in whatever form Slack takes."""

from bot.core.events import Queried
from bot.sandbox.slack.records import Message
from bot.sandbox.slack.server import Error
from bot.sandbox.world import World
from stories.telling import AGENT, MAX, MINUTE, OMAR, TESSA, Story, text_of


def kinds(message: Message) -> list[str]:
    return [block["type"] for block in message.blocks]


async def some_requests(s: Story) -> None:
    await s.executed()
    await s.skip(12 * MINUTE)
    await s.restore(OMAR)
    await s.until_ready("R-2")
    await s.file("@ada")
    await s.veto(TESSA, id="R-3")


async def answered(s: Story, text: str = "stats") -> Message:
    """The one answer to a command that was acknowledged with nothing."""
    assert await s.type(MAX, text, "/audit") == ""
    await s.w.bot.background.drain(5)
    (answer,) = s.ws.ephemerals(MAX)
    return answer


async def test_figures_come_as_charts_and_a_table(s: Story) -> None:
    await some_requests(s)
    answer = await answered(s)
    assert answer.text.startswith("3 requests filed: 2 executed, 1 vetoed, since ")
    assert kinds(answer) == [
        "header", "section", "data_visualization", "data_visualization", "section", "data_table",
        "context", "context",
    ]  # fmt: skip
    outcomes = answer.blocks[2]["chart"]
    assert outcomes["axis_config"]["categories"] == ["executed", "vetoed"]
    assert outcomes["series"] == [
        {
            "name": "standard",
            "data": [{"label": "executed", "value": 2}, {"label": "vetoed", "value": 1}],
        }
    ]
    said = text_of(answer)
    assert "*Vetoed*\n50 % · 1 of 2 that ended" in said
    assert "*Restored*\n1 · away: median 12 min" in said
    assert "this query is an entry of the trail" in said


async def test_an_older_workspace_gets_the_same_figures_in_words(w: World) -> None:
    s = Story(w)
    await some_requests(s)
    charts = await answered(s)
    s.ws.unwhisper(charts)
    s.ws.charts_taken = False
    words = await answered(s)
    assert words.text == charts.text
    assert kinds(words) == [
        "header", "section", "rich_text", "section", "section", "context", "context"
    ]  # fmt: skip
    assert "executed 2 ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇\nvetoed   1 ▇▇▇▇▇▇▇▇▇" in text_of(words)
    assert [b["fields"] for b in words.blocks if "fields" in b] == [
        b["fields"] for b in charts.blocks if "fields" in b
    ]
    statuses = [c.response["status"] for c in w.slack.calls if c.method == "response_url"][-2:]  # type: ignore[index]
    assert statuses == [400, 200]


async def test_where_slack_does_not_take_the_answer_it_comes_by_direct_message(s: Story) -> None:
    await some_requests(s)
    s.w.slack.fail("response_url", Error("used_url"), Error("used_url"))
    assert await s.type(MAX, "stats", "/audit") == ""
    await s.w.bot.background.drain(5)
    assert s.ws.ephemerals(MAX) == []
    (told,) = (m for m in s.ws.dm(MAX) if not m.metadata)
    assert told.text.startswith("3 requests filed")
    assert "*Open now*" in text_of(told)


async def test_where_there_is_nothing_to_draw_the_acknowledgement_says_so(s: Story) -> None:
    said = await s.type(MAX, "stats since:1d", "/audit")
    assert said.startswith("0 requests filed, since ")


async def test_figures_are_an_entry_first_and_for_managers_only(s: Story) -> None:
    await s.type(MAX, "stats since:7d", "/audit")
    (asked,) = await s.events("audit")
    assert isinstance(asked, Queried)
    assert asked.query.open.text == "stats since:7d"
    said = await s.type(AGENT, "stats", "/audit")
    assert "manager" in said
    assert len(await s.events("audit")) == 1
