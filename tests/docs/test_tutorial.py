"""The tutorial, played: what it says that people see is what they see."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stories.telling import (
    AGENT,
    GUEST,
    LENA,
    MAX,
    MINUTE,
    OMAR,
    OTHER,
    PRES1DENT,
    PRESIDENT,
    START,
    TESSA,
    Story,
    labels,
    text_of,
)

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.world import LOBBY, world

PAGE = " ".join((Path(__file__).parents[2] / "docs/tutorial/sandbox.md").read_text().split())


def tells(words: str) -> str:
    assert words in PAGE, f"the tutorial does not say: {words}"
    return words


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Story]:
    async with world(SandboxClock(lambda: START), tmp_path / "nolone.db") as w:
        yield Story(w)


async def test_the_tutorial_is_so(s: Story) -> None:
    form = text_of(await s.look_up("pres1dent"))
    assert "followers: 212\nnot verified" in form
    tells("212 followers, not verified, active")
    assert "active" in form
    assert await s.file("pres1dent", reason="fake-account") == "R-1"
    assert "matched standard" in s.says()
    await s.type(AGENT, "pres1dent")
    assert "R-1 already concerns this account" in text_of(s.ws.views(AGENT)[-1])
    for handle, why in {
        "root": "administrator",
        "nolone": "the bot itself",
        "gone": "already deactivated",
        "nobody": "no such account",
    }.items():
        await s.type(AGENT, handle)
        assert why in text_of(s.ws.views(AGENT)[-1])

    assert tells("You filed R-1: somebody else has to decide on it.") in await s.approve(AGENT)
    assert tells("This account cannot act here: it is a guest.") in await s.approve(GUEST)
    other = tells("You are in another organisation: only members of this workspace can act here.")
    assert other in await s.approve(OTHER)
    assert tells("Only reviewers can approve") in await s.approve(MAX)
    await s.approve(TESSA)
    assert await s.phase() is Phase.COOLING_OFF
    assert "You approved R-1" in text_of(s.dms(TESSA)[-1])
    assert {"Veto", "Retract"} <= labels(s.card())

    await s.skip(5 * MINUTE)
    await s.calm()
    assert s.deactivated(PRES1DENT)
    assert "Executed" in s.says()
    assert "public profile page" in s.says()
    assert s.dms(AGENT)

    await s.restore(OMAR)
    await s.calm()
    assert not s.deactivated(PRES1DENT)
    assert re.search(r"\*Restored\* after .* away by R-2", s.says())
    assert s.card("R-2")

    form = text_of(await s.look_up("president"))
    assert tells("43,600,000") in form
    assert tells("public-office") in form
    assert await s.file("president", reason="fake-account") == "R-3"
    await s.approve(TESSA, "R-3")
    await s.approve(OMAR, "R-3")
    assert "*1 of 2* · still needs legal" in s.says("R-3")
    tells("*1 of 2 · still needs legal*")
    await s.approve(LENA, "R-3")
    assert await s.phase("R-3") is Phase.COOLING_OFF
    told = s.dms(OMAR)[-1]
    assert "Veto" in labels(told)
    await s.click(OMAR, "veto", told)
    await s.submit(OMAR, {"reason.value": "The wrong account."})
    assert await s.phase("R-3") is Phase.VETOED
    assert labels(s.card("R-3")) == {"Details"}
    await s.skip(30 * MINUTE)
    await s.calm()
    assert not s.deactivated(PRESIDENT)

    for query, expected in {
        "": "filed in the last 7 days",
        "R-3": "vetoed",
        "state:vetoed": "R-3",
    }.items():
        answer = await s.hand(MAX).command("/audit", query, channel=LOBBY)
        assert expected in str(answer.body)
    refused = await s.type(AGENT, "", command="/audit")
    assert tells("Only managers can query the trail.") in refused
