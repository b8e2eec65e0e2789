"""`/audit` in Slack: what is answered to whom, its pages, and the way to the card."""

from bot.core.events import Queried
from bot.sandbox.slack import Error
from bot.sandbox.slack.records import Message
from bot.store import ledger
from stories.telling import AGENT, GUEST, LOBBY, MAX, OMAR, REVIEW, TESSA, Story, buttons, text_of


async def ask(s: Story, who: str, text: str) -> Message:
    answer = await s.hand(who).command("/audit", text, channel=LOBBY)
    assert (answer.status, answer.error) == (200, None), answer
    await s.settle()
    return s.ws.ephemerals(who)[-1]


async def asked(s: Story) -> list[tuple[str, str]]:
    events = await s.w.store.run(lambda tx: ledger.events(tx, ledger.AUDIT))
    return [(e.by, e.query.open.text) for _, e in events if isinstance(e, Queried)]


async def test_who_files_and_who_reviews_see_what_is_theirs(s: Story) -> None:
    await s.file()
    await s.veto(TESSA)
    await s.file("@ada")
    mine = text_of(await ask(s, AGENT, "mine"))
    assert "*2 requests in the trail*" in mine
    mine = text_of(await ask(s, TESSA, "mine"))
    assert "*1 request in the trail*: 1 vetoed" in mine
    assert "vetoed <!date^" in mine
    assert "*0 requests in the trail*" in text_of(await ask(s, OMAR, "mine"))
    assert await asked(s) == [(AGENT, "mine"), (TESSA, "mine"), (OMAR, "mine")]


async def test_who_may_not_ask_learns_who_may_and_nothing_else(s: Story) -> None:
    await s.file()
    said = (await ask(s, AGENT, "state:open")).text
    assert said.startswith(f"Only managers can query the trail. Managers are: <@{MAX}>.")
    assert "/audit mine" in said
    said = (await ask(s, MAX, "stat:open")).text
    assert "Did you mean state:?" in said
    assert await asked(s) == []


async def test_a_guest_is_answered_nothing(s: Story) -> None:
    said = (await ask(s, GUEST, "mine")).text
    assert "This account cannot act here" in said or "Only agents and reviewers" in said
    assert await asked(s) == []


async def test_a_life_links_to_the_card_and_names_the_proof(s: Story) -> None:
    await s.file()
    said = text_of(await ask(s, MAX, "R-1"))
    ts = s.card().ts.replace(".", "")
    assert f".slack.com/archives/{REVIEW}/p{ts}|in the channel>" in said
    assert "its newest entry is #2, leaf `" in said
    assert "`proof/R-1.tlog-proof`" in said


async def test_where_slack_has_no_link_the_channel_is_named(s: Story) -> None:
    await s.file()
    s.w.slack.fail("chat.getPermalink", Error("message_not_found"))
    assert f"*card*  in <#{REVIEW}>" in text_of(await ask(s, MAX, "R-1"))


async def test_an_answer_states_what_was_considered(s: Story) -> None:
    await s.file()
    said = text_of(await ask(s, MAX, "state:open"))
    assert "Considered: all 2 entries, up to #2 · root " in said


async def test_pages_of_what_is_mine_turn_within_its_limit(s: Story) -> None:
    for n in range(10):
        handle = f"@page{n}"
        s.w.platform.add(handle.removeprefix("@"))
        await s.file(handle)
    first = await ask(s, AGENT, "mine limit:9")
    assert "*The newest 9 of more requests in the trail*" in text_of(first)
    (older,) = buttons(first)
    answer = await s.hand(AGENT).click(first, older["action_id"])
    assert answer.error is None
    await s.settle()
    second = s.ws.ephemerals(AGENT)[-1]
    assert "*R-2*" in text_of(second)
    assert "*R-1*" not in text_of(second)
    assert [text for _, text in await asked(s)] == ["mine limit:9", "mine limit:9 (page 2)"]
