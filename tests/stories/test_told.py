"""Whoever filed a request is told of its end, whatever the end; and a thread tells it all."""

from collections.abc import Awaitable, Callable

import pytest

from stories.telling import AGENT, HOUR, OMAR, PRES1DENT, TESSA, Story, text_of

End = Callable[[Story], Awaitable[object]]


async def vetoed(s: Story) -> None:
    await s.cooling_off()
    await s.veto(OMAR, "The wrong one.")


async def withdrawn(s: Story) -> None:
    await s.file()
    await s.choose(AGENT, "Withdraw")


async def expired(s: Story) -> None:
    await s.file()
    await s.skip(8 * HOUR)


async def lapsed(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.accounts.pop(PRES1DENT)
    await s.until_ready()


async def executed(s: Story) -> None:
    await s.executed()


async def failed(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.lies = True
    await s.until_ready()


ENDS: dict[str, tuple[End, str]] = {
    "vetoed": (vetoed, "R-1, Deactivate @pres1dent: *Vetoed* by <@U03REV>: The wrong one."),
    "withdrawn": (withdrawn, "R-1, Deactivate @pres1dent: *Withdrawn* by <@U01AGENT>."),
    "expired": (
        expired,
        "R-1, Deactivate @pres1dent: *Expired*: no quorum in time. Nothing was done.",
    ),
    "lapsed": (lapsed, "R-1, Deactivate @pres1dent: *Lapsed*: the account is no longer there."),
    "executed": (executed, "R-1, Deactivate @pres1dent: *Deactivated*: the effect was seen"),
    "failed": (
        failed,
        "R-1, Deactivate @pres1dent: *Failed*: the platform answered, and nothing changed. "
        "Nothing is tried again.",
    ),
}


@pytest.mark.parametrize("end", ENDS)
async def test_the_requester_is_told_of_every_end(s: Story, end: str) -> None:
    happens, words = ENDS[end]
    await happens(s)
    await s.calm()
    assert s.dms(AGENT)[-1].text.startswith(words)
    assert s.card().text == f"R-1: Deactivate @pres1dent, {end}."
    assert s.thread()[-1].startswith(words.removeprefix("R-1, Deactivate @pres1dent: "))
    replies = s.thread_messages()
    assert [m.reply_broadcast for m in replies] == [False] * (len(replies) - 1) + [True]
    assert len(s.thread()) == len(await s.kinds())


async def test_a_closed_card_keeps_every_fact(s: Story) -> None:
    await s.file(clause="4.2", ticket="T-9", evidence="https://a.example/1")
    before = set(text_of(s.card()).splitlines())
    await s.veto(TESSA)
    after = set(text_of(s.card()).splitlines())
    kept = before & after
    for fact in ("demo:acct-1001", "4.2", "T-9", "1 · a.example", "reversible, nothing is lost"):
        assert fact in kept


async def test_the_filing_says_what_it_takes(s: Story) -> None:
    await s.file("@president")
    assert s.thread()[0].startswith(
        "<@U01AGENT> filed R-1: it takes 2 approvals, at least 1 from legal, until <!date^"
    )
    await s.file("@ada")
    assert s.thread("R-2")[0].startswith("<@U01AGENT> filed R-2: it takes 1 approval until <!date^")
