"""More requests than Slack takes messages: nothing is lost, and what is urgent waits for nobody."""

from collections import Counter

import pytest

from bot.core.request import Phase
from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack.allowance import Allowance
from bot.sandbox.slack.records import Message
from bot.sandbox.world import LOBBY, REVIEW
from bot.store import outbox
from stories.telling import (
    AGENT,
    FORM,
    MINUTE,
    OMAR,
    SECOND,
    START,
    TESSA,
    Story,
    keys_of,
    text_of,
)

SOON = 4 * SECOND  # of Slack's time, until something urgent is to be read


async def flood(s: Story, requests: int) -> None:
    """So many requests about as many accounts, five hundred in a minute; at one update of a message
    in 1.2 s as in Slack's third tier."""
    s.w.slack._api._tiers["chat.update"] = Allowance(20, 1200)
    for n in range(1, requests + 1):
        id, handle = f"acct-{2000 + n}", f"{n:03}x{n * 7919 % 9973:04}"
        s.w.platform.accounts[id] = Account(id, handle, f"No. {n}", START - MINUTE)
        said = await s.hand(AGENT).command("/request-deactivate", f"@{handle}", channel=LOBBY)
        assert said.error is None
        await s.w.bot.background.drain(5)
        answer = await s.hand(AGENT).submit(FORM)
        assert (answer.status, answer.error) == (200, None), answer
        s.ws.modals._stacks[AGENT].clear()
        s.w.clock.skip(MINUTE // 500)


def digests(s: Story) -> list[Message]:
    return [m for m in s.ws.messages(REVIEW) if any(k.startswith("digest/") for k in keys_of(m))]


async def soon(s: Story, *words: tuple[str, str]) -> None:
    """Within `SOON` all these words are in Slack, each on the card of this request or under it."""
    for _ in range(SOON // SECOND):
        await s.skip(SECOND)
        if all(s.cards(id) and word in s.says(id) + "".join(s.thread(id)) for id, word in words):
            return
    raise AssertionError([(id, s.cards(id) and s.thread(id)) for id, _ in words])


@pytest.mark.parametrize("requests", [60, pytest.param(500, marks=pytest.mark.slow)])
async def test_a_flood_loses_nothing_and_holds_up_nothing_that_is_urgent(
    s: Story, requests: int
) -> None:
    await flood(s, requests)
    last = f"R-{requests}"
    waiting = requests - len({k for m in s.ws.messages(REVIEW) for k in keys_of(m)})
    assert s.cards(last) == []

    (digest,) = digests(s)
    assert "requests wait for a card" in digest.text
    assert waiting > 0

    # a quorum; a veto on a card; a veto by command, of what has no card yet
    await s.hand(TESSA).click(s.card("R-1"), "approve")
    await soon(s, ("R-1", "Cooling off until"), ("R-1", "*Quorum reached.*"))
    await s.hand(OMAR).click(s.card("R-2"), "veto")
    await s.hand(OMAR).submit({"reason.value": "Wrong account."})
    await soon(s, ("R-2", "*Vetoed* by <@U03REV> <!date"), ("R-2", "*Vetoed* by <@U03REV>: Wrong"))
    await s.hand(OMAR).command("/request-deactivate", f"veto {last}", channel=LOBBY)
    await s.hand(OMAR).submit({"reason.value": "Not this one."})
    await soon(s, (last, "*Vetoed* by <@U03REV> <!date"), (last, "filed"), (last, "Not this one"))

    eta = (await s.request("R-1")).eta
    assert eta is not None
    seconds = 0
    while await s.w.store.run(outbox.backlog):
        await s.skip(SECOND)
        seconds += 1
        assert seconds < 3 * requests + 100
        if seconds == requests // 4 and requests == 500:
            assert 0 < int(text_of(digest).split()[1].removeprefix("*")) < requests
        if s.w.clock.now() < eta <= s.w.clock.now() + SECOND:
            await s.skip(SECOND)
            await soon(s, ("R-1", "*Deactivated*: the effect was seen"))

    assert requests < 300 or s.w.clock.now() > eta  # else it was not told in the middle of it
    await s.skip(6 * MINUTE)
    assert await s.phase("R-1") is Phase.EXECUTED, s.thread("R-1")
    assert "*Deactivated*" in s.says("R-1")
    assert len(digests(s)) == 1
    assert text_of(digest) == ":inbox_tray: Every request that was waiting for its card has it now."

    told = Counter(key for m in s.ws.channels[REVIEW].messages.values() for key in keys_of(m))
    told.pop(*[key for key in told if key.startswith("digest/")])
    entries = await s.w.store.run(
        lambda tx: tx.query("SELECT stream, seq FROM entries WHERE stream LIKE 'R-%'")
    )
    due = {f"{e['stream']}/{e['seq']}/thread" for e in entries}
    assert told == Counter(due | {f"R-{n}/card" for n in range(1, requests + 1)})
    refused = [c for c in s.w.slack.calls if (c.response or {}).get("error") == "ratelimited"]
    assert len(refused) <= requests // 100  # where what was sent in one second came in the next
