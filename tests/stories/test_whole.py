"""The whole job, told once: from the command to the restored account."""

from bot.sandbox.world import LOBBY, REVIEW, World

MINUTE = 60_000


async def test_from_filing_to_a_verified_action_and_its_restore(w: World) -> None:
    agent = w.slack.as_user("U01AGENT")
    answer = await agent.command("/request-deactivate", "@pres1dent", channel=LOBBY)
    assert answer.status == 200
    await w.settled()
    (form,) = w.slack.workspace.views("U01AGENT")
    assert "acct-1001" in str(form.blocks)
    answer = await agent.submit(
        {"reason.value": "impersonation", "what.value": "Pretends to be the president."}
    )
    assert answer.status == 200, answer
    await w.settled()

    (card,) = w.slack.workspace.messages(REVIEW)
    assert "R-1" in card.text
    answer = await w.slack.as_user("U02REV").click(card, "approve")
    assert answer.status == 200, answer
    await w.settled()
    assert "Cooling off" in str(w.slack.workspace.messages(REVIEW)[0].blocks)

    await w.skip(5 * MINUTE)
    assert w.platform.accounts["acct-1001"].state == "deactivated"
    card = w.slack.workspace.messages(REVIEW)[0]
    assert "Executed" in str(card.blocks)

    reviewer = w.slack.as_user("U03REV")
    await reviewer.click(card, "restore")
    answer = await reviewer.submit({"reason.value": "It was the right account after all."})
    assert answer.status == 200, answer
    await w.settled()
    assert w.platform.accounts["acct-1001"].state == "active"
    assert "Restored" in str(w.slack.workspace.messages(REVIEW)[0].blocks)
