"""The whole job, told once: from the command to the restored account."""

from bot.sandbox.world import REVIEW
from stories.telling import AGENT, FORM, MINUTE, OMAR, PRES1DENT, TESSA, Story, labels, text_of


async def test_from_filing_to_a_verified_action_and_its_restore(s: Story) -> None:
    form = await s.look_up("@pres1dent")
    assert "demo:acct-1001" in text_of(form)
    assert "*R-1* is filed." in await s.submit(AGENT, FORM)
    assert s.card().text == (
        "R-1: Deactivate @pres1dent, needs review, still needs one more reviewer."
    )

    await s.approve(TESSA)
    assert "Cooling off" in s.says()
    await s.skip(5 * MINUTE)
    await s.calm()
    assert s.deactivated()
    assert s.card().text == "R-1: Deactivate @pres1dent, executed."
    assert labels(s.card()) == {"Restore", "Details"}

    await s.skip(2 * MINUTE)
    said = await s.restore(OMAR, "It was the right account after all.")
    assert said.startswith("R-2, Restore @pres1dent, is ")
    assert s.w.platform.accounts[PRES1DENT].state == "active"
    assert "*Restored* after 2 min" in s.says()
    assert labels(s.card()) == {"Details"}
    assert [m.text for m in s.ws.messages(REVIEW)] == [
        "R-1: Deactivate @pres1dent, executed.",
        "R-2: Restore @pres1dent, executed.",
    ]
    assert [(e.account_id, e.action, e.key) for e in s.w.platform.effects] == [
        (PRES1DENT, "deactivate", "sandbox/R-1/1"),
        (PRES1DENT, "restore", "sandbox/R-2/1"),
    ]
