"""Approvals and vetoes: who counts, who does not, and what each of them is told."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bot.core.request import Phase
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, NoSuchButton, Slow
from bot.sandbox.slack.hands import CONFIRM
from bot.sandbox.world import REVIEW, world
from stories.telling import (
    AGENT,
    GUEST,
    HOUR,
    LENA,
    MAX,
    MINUTE,
    OMAR,
    OTHER,
    TESSA,
    Story,
    buttons,
    labels,
    policy,
    text_of,
)

# --- one approval -----------------------------------------------------------------------------


async def test_one_approval_starts_the_cool_off(s: Story) -> None:
    await s.file()
    assert labels(s.card()) == {"Approve", "Veto", "Details", "Withdraw"}
    said = await s.approve(TESSA)
    assert labels(s.card()) == {"Veto", "Details", "Retract", "Withdraw"}
    assert said == "R-1, Deactivate @pres1dent, is cooling off."
    assert await s.kinds() == ["Filed", "Approved", "QuorumReached"]
    assert s.card().text == "R-1: Deactivate @pres1dent, cooling off."
    assert "Approved by <@U02REV>" in s.says()
    assert "Approve" not in labels(s.card())
    assert s.thread()[1] == "<@U02REV> approved, as trust-safety."
    assert s.thread()[2].startswith("*Quorum reached.* Cooling off until *<!date^")


async def test_a_click_asks_before_it_counts(s: Story) -> None:
    await s.file()
    (approve,) = [b for b in buttons(s.card()) if b["action_id"] == "approve"]
    assert approve["confirm"]["title"]["text"] == "Deactivate @pres1dent?"
    assert "demo:acct-1001, for impersonation" in approve["confirm"]["text"]["text"]
    answer = await s.hand(TESSA).click(s.card(), "approve", confirm=False)
    assert (answer.sent, answer.error) == (False, CONFIRM)
    assert await s.kinds() == ["Filed"]


async def test_an_approver_gets_a_receipt_of_what_they_approved(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    (receipt,) = s.dms(TESSA)
    assert receipt.text == "Receipt: you approved R-1, Deactivate @pres1dent."
    said = text_of(receipt)
    request = await s.request()
    for fact in ("demo:acct-1001", "impersonation", f"round 1 · {request.digest[:8]}"):
        assert fact in said
    assert labels(receipt) == {"Details"}
    assert s.dms(AGENT) == []


async def test_the_reviewers_are_called_at_filing_and_at_quorum_and_not_else(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    await s.choose(TESSA, "Retract")
    calls = ["<!subteam^S01TS>" in line and "<@U05LEGAL>" in line for line in s.thread()]
    assert [
        line.split(" ")[1] for line, called in zip(s.thread(), calls, strict=True) if called
    ] == [
        "filed",
        "reached.*",
    ]


# --- two of two groups ------------------------------------------------------------------------


async def test_a_quorum_of_two_that_includes_legal(s: Story) -> None:
    await s.file("@president")
    assert "○○  *0 of 2* · still needs legal and one more reviewer" in s.says()
    assert await s.approve(TESSA) == ("R-1, Deactivate @president, is open, still needs legal.")
    assert "●○  *1 of 2* · still needs legal" in s.says()
    assert "still needs legal" in await s.approve(OMAR)
    assert "●○  *1 of 2* · still needs legal" in s.says()
    assert await s.approve(LENA) == "R-1, Deactivate @president, is cooling off."


async def test_in_the_top_tiers_a_form_shows_every_fact_before_the_yes(s: Story) -> None:
    await s.file("@president", evidence="https://a.example/1", ticket="T-9", clause="4.2")
    await s.click(TESSA, "approve_form")
    form = text_of(s.ws.views(TESSA)[-1])
    for fact in ("demo:acct-1000", "43,600,000", "4.2", "T-9", "1 · a.example", "nothing is lost"):
        assert fact in form
    assert await s.kinds() == ["Filed"]
    await s.submit(TESSA)
    assert await s.kinds() == ["Filed", "Approved"]


async def test_a_person_in_two_groups_fills_one_place(s: Story) -> None:
    s.ws.usergroups["S01TS"].users.append(LENA)
    await s.file("@president")
    assert "is open, still needs one more reviewer" in await s.approve(LENA)
    assert await s.phase() is Phase.OPEN
    assert "is cooling off" in await s.approve(TESSA)


async def test_the_matching_moves_a_person_where_they_are_needed(s: Story) -> None:
    """Lena, in both groups, comes first; whoever comes second decides which place is hers."""
    s.ws.usergroups["S01TS"].users.append(LENA)
    await s.file("@president")
    await s.approve(LENA)
    await s.approve(OMAR)
    assert (await s.request()).quorum_at is not None


async def test_two_accounts_of_one_person_are_one_person(s: Story) -> None:
    s.ws.users[OMAR].email = " Tessa@Pipit.Example "
    await s.file("@president")
    await s.approve(TESSA)
    assert "You have approved R-1 already: one person counts once." in await s.approve(OMAR)


async def test_one_person_of_a_grid_is_one_person(s: Story) -> None:
    s.ws.users[OMAR].grid_id = s.ws.users[TESSA].grid_id = "W01"
    await s.file("@president")
    await s.approve(TESSA)
    assert "one person counts once" in await s.approve(OMAR)


async def test_an_address_that_is_changed_between_two_clicks_splits_nobody(s: Story) -> None:
    s.ws.users[OMAR].email = "tessa@pipit.example"
    await s.file("@president")
    await s.approve(TESSA)
    s.ws.user_change(TESSA, email="new@pipit.example")
    await s.calm()
    assert "one person counts once" in await s.approve(OMAR)


# --- who may not ------------------------------------------------------------------------------


async def test_nobody_approves_what_they_filed(s: Story) -> None:
    s.ws.usergroups["S01TS"].users.append(AGENT)
    await s.file()
    assert await s.approve(AGENT) == "You filed R-1: somebody else has to decide on it."
    assert await s.kinds() == ["Filed"]


async def test_nor_with_a_second_account(s: Story) -> None:
    s.ws.users[TESSA].email = s.ws.users[AGENT].email
    await s.file()
    assert await s.approve(TESSA) == "You filed R-1: somebody else has to decide on it."
    assert await s.kinds() == ["Filed"]


Change = Callable[[Story], Any]
STRANGERS: dict[str, tuple[dict[str, Any], str]] = {
    "a guest": ({"is_restricted": True}, "it is a guest"),
    "a guest of one channel": ({"is_ultra_restricted": True}, "it is a guest"),
    "a bot": ({"is_bot": True}, "it is a bot"),
    "deleted": ({"deleted": True}, "it is deactivated in Slack"),
    "elsewhere": ({"team": "T08OTHER"}, "You are in another organisation"),
}


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("act", ["approve", "veto"])
async def test_strangers_are_refused_even_if_a_group_lists_them(
    s: Story, kind: str, act: str
) -> None:
    await s.file()
    changes, why = STRANGERS[kind]
    s.ws.user_change(TESSA, **changes)
    await s.calm()
    assert why in await s.click(TESSA, act)
    assert await s.kinds() == ["Filed"]


async def test_who_is_no_reviewer_is_told_who_is(s: Story) -> None:
    await s.file()
    assert await s.approve(MAX) == "Only reviewers can approve: legal, trust-safety."
    assert await s.click(MAX, "veto") == "Only reviewers can veto: legal, trust-safety."
    assert "it is a guest" in await s.approve(GUEST)
    assert "another organisation" in await s.approve(OTHER)
    assert await s.kinds() == ["Filed"]


async def test_who_joined_after_filing_may_veto_and_not_approve(s: Story) -> None:
    await s.file()
    s.ws.set_usergroup("S01TS", [TESSA, OMAR, MAX])
    await s.calm()
    assert await s.approve(MAX) == (
        "You became a reviewer after R-1 was filed: you may veto it, "
        "but your approval would not count."
    )
    assert await s.kinds() == ["Filed"]
    assert "is vetoed" in await s.veto(MAX)


async def test_who_left_after_filing_may_still_veto_and_not_approve(s: Story) -> None:
    await s.file()
    s.ws.set_usergroup("S01TS", [OMAR])
    await s.calm()
    assert await s.approve(TESSA) == "Only reviewers can approve: legal, trust-safety."
    assert "is vetoed" in await s.veto(TESSA)


async def test_only_the_requester_withdraws(s: Story) -> None:
    await s.file()
    assert await s.choose(TESSA, "Withdraw") == (
        "Only <@U01AGENT>, who filed R-1, can withdraw it."
    )
    assert await s.choose(AGENT, "Withdraw") == "R-1, Deactivate @pres1dent, is withdrawn."
    assert await s.phase() is Phase.WITHDRAWN


async def test_nobody_is_in_the_group(s: Story) -> None:
    """An empty group never means everybody."""
    s.ws.usergroups["S01TS"].users.clear()
    await s.file()
    assert "Held:* nobody is in trust-safety" in s.says()
    assert await s.approve(TESSA) == "Only reviewers can approve: legal, trust-safety."
    assert await s.approve(MAX) == "Only reviewers can approve: legal, trust-safety."


async def test_a_group_that_cannot_be_read_holds_the_request_and_lets_vetoes_through(
    s: Story,
) -> None:
    await s.file()
    await s.skip(HOUR)
    s.w.slack.fail("usergroups.users.list", *[Error("fatal_error")] * 9)
    said = await s.approve(TESSA)
    assert said == (
        "The members of trust-safety could not be read from Slack, so nobody can approve now; "
        "R-1 is held. A veto works."
    )
    assert await s.kinds() == ["Filed"]
    assert "is vetoed" in await s.veto(TESSA)


async def test_a_veto_works_while_slack_cannot_say_who_somebody_is(s: Story) -> None:
    await s.file()
    await s.skip(HOUR)
    s.w.slack.fail("users.info", *[Error("fatal_error")] * 9)
    assert "Slack could not be asked who you are" in await s.approve(OMAR)
    assert "is vetoed" in await s.veto(TESSA)


# --- once -------------------------------------------------------------------------------------


async def test_a_click_delivered_twice_counts_once(s: Story) -> None:
    await s.file("@president")
    await s.approve(TESSA)
    for delivery in list(s.w.slack.deliveries):
        if delivery.kind in ("block_actions", "view_submission"):
            assert (await s.w.slack.redeliver(delivery)).status == 200
    await s.calm()
    assert await s.kinds() == ["Filed", "Approved"]


async def test_two_clicks_of_one_person_count_once(s: Story) -> None:
    await s.file()
    behind = s.hand(TESSA).look(s.card())
    await s.approve(TESSA)
    before = len(s.words(TESSA))
    await s.hand(TESSA).click(behind, "approve", stale=True)
    await s.calm()
    assert "R-1 is cooling off: Approve is not possible now." in s.words(TESSA)[before:]
    assert (await s.kinds()).count("Approved") == 1


async def test_two_reviewers_at_the_same_instant_both_count(s: Story) -> None:
    await s.file("@president")
    for who in (TESSA, LENA):
        await s.click(who, "approve_form")
    await asyncio.gather(*(s.hand(who).submit() for who in (TESSA, LENA)))
    await s.calm()
    assert await s.kinds() == ["Filed", "Approved", "Approved", "QuorumReached"]


async def test_an_approval_replayed_after_its_retraction_does_not_count(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    approval = next(d for d in s.w.slack.deliveries if d.kind == "block_actions")
    await s.choose(TESSA, "Retract")
    before = len(s.words(TESSA))
    assert (await s.w.slack.redeliver(approval)).status == 200
    await s.calm()
    assert await s.kinds() == ["Filed", "Approved", "QuorumReached", "Retracted", "QuorumLost"]
    assert s.words(TESSA)[before:] == [
        "This was counted already: R-1, Deactivate @pres1dent, is open, still needs one more reviewer."
    ]


# --- retracting -------------------------------------------------------------------------------


async def test_a_retraction_loses_the_quorum_and_a_fresh_click_may_approve_again(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    deadline = (await s.request()).deadline
    await s.skip(MINUTE)
    said = await s.choose(TESSA, "Retract")
    assert said == "R-1, Deactivate @pres1dent, is open, still needs one more reviewer."
    assert s.thread()[-2:] == [
        "<@U02REV> retracted their approval.",
        "The quorum is lost: it needs approval again.",
    ]
    assert (await s.request()).deadline == deadline
    assert "is cooling off" in await s.approve(TESSA)
    eta = (await s.request()).eta
    assert eta is not None
    assert eta > s.w.clock.now() + 4 * MINUTE
    assert (await s.kinds()).count("QuorumReached") == 2


async def test_the_cool_off_begins_anew_with_the_second_quorum(s: Story) -> None:
    await s.file()
    await s.approve(TESSA)
    await s.skip(4 * MINUTE)
    await s.choose(TESSA, "Retract")
    await s.approve(TESSA)
    await s.skip(2 * MINUTE)
    assert not s.deactivated()
    assert await s.phase() is Phase.COOLING_OFF


async def test_who_never_approved_has_nothing_to_retract(s: Story) -> None:
    await s.file()
    assert "Retract" not in labels(s.card())
    await s.approve(TESSA)
    assert await s.choose(OMAR, "Retract") == "You have no approval on R-1 to retract."


# --- buttons that are not what they seem ---------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["", "R-1", "R-1.1.zzzzzzzz", "R-01.1.{d}", "R-1.1.{d}\n", "R-1.1.{d}' OR 1", "x" * 2000],
)
async def test_a_forged_value_changes_nothing(s: Story, value: str) -> None:
    await s.file()
    digest = (await s.request()).digest[:8]
    card = s.hand(TESSA).look(s.card())
    next(b for b in buttons(card) if b["action_id"] == "approve")["value"] = value.format(d=digest)
    before = len(s.words(TESSA))
    answer = await s.hand(TESSA).click(card, "approve", stale=True)
    assert answer.status == 200
    await s.calm()
    assert s.words(TESSA)[before:] == [
        "This button is not one of ours, or is broken: nothing was changed."
    ]
    assert await s.kinds() == ["Filed"]


@pytest.mark.parametrize("value", ["R-1.1.00000000", "R-1.2.{d}", "R-1.9.{d}"])
async def test_an_approval_counts_only_for_the_facts_it_was_given_on(s: Story, value: str) -> None:
    await s.file()
    digest = (await s.request()).digest[:8]
    card = s.hand(TESSA).look(s.card())
    next(b for b in buttons(card) if b["action_id"] == "approve")["value"] = value.format(d=digest)
    before = len(s.words(TESSA))
    await s.hand(TESSA).click(card, "approve", stale=True)
    await s.calm()
    assert s.words(TESSA)[before:] == ["This card is of an earlier round of R-1: see the newest."]
    assert await s.kinds() == ["Filed"]


async def test_a_request_that_is_not_there(s: Story) -> None:
    await s.file()
    card = s.hand(TESSA).look(s.card())
    next(b for b in buttons(card) if b["action_id"] == "approve")["value"] = "R-77.1.00000000"
    await s.hand(TESSA).click(card, "approve", stale=True)
    await s.calm()
    assert s.words(TESSA) == ["There is no request R-77."]


async def test_an_action_that_nobody_knows_is_answered(s: Story) -> None:
    await s.file()
    card = s.hand(TESSA).look(s.card())
    next(b for b in buttons(card) if b["action_id"] == "approve")["action_id"] = "approve_all"
    answer = await s.hand(TESSA).click(card, "approve_all", stale=True)
    assert answer.status == 200
    await s.calm()
    assert s.words(TESSA) == ["This button is not one of ours, or is broken: nothing was changed."]
    assert await s.kinds() == ["Filed"]


async def test_a_menu_option_that_nobody_made(s: Story) -> None:
    await s.file()
    card = s.hand(TESSA).look(s.card())
    menu = next(b for b in buttons(card) if b["action_id"] == "more")
    menu["options"][0]["value"] = "execute/R-1.1.00000000"
    await s.hand(TESSA).choose(card, "more", "execute/R-1.1.00000000", stale=True)
    await s.calm()
    assert s.words(TESSA) == ["This button is not one of ours, or is broken: nothing was changed."]


async def test_a_click_on_a_card_that_was_closed_since(s: Story) -> None:
    await s.file()
    behind = s.hand(OMAR).look(s.card())
    await s.veto(TESSA)
    for act in ("approve", "veto"):
        await s.hand(OMAR).click(behind, act, stale=True)
        await s.calm()
    assert s.words(OMAR) == [
        "R-1 is vetoed: Approve is not possible now.",
        "R-1 is vetoed: Veto is not possible now.",
    ]
    assert await s.kinds() == ["Filed", "Vetoed"]


async def test_a_card_of_an_earlier_round_approves_nothing(s: Story) -> None:
    await s.file("@ada")
    behind = s.hand(OMAR).look(s.card())
    await s.approve(TESSA)
    s.w.platform.update("acct-1002", handle="ada_marsh")
    await s.until_ready()
    assert (await s.request()).round == 2
    await s.hand(OMAR).click(behind, "approve", stale=True)
    await s.calm()
    assert s.words(OMAR) == ["This card is of an earlier round of R-1: see the newest."]
    assert (await s.request()).approvals == ()


# --- vetoes -----------------------------------------------------------------------------------


async def test_a_veto_ends_it_and_says_why(s: Story) -> None:
    await s.cooling_off()
    said = await s.veto(OMAR, "This is the real account.\nLook at the id.")
    assert said == "R-1, Deactivate @pres1dent, is vetoed."
    assert s.card().text == "R-1: Deactivate @pres1dent, vetoed."
    assert labels(s.card()) == {"Details"}
    assert s.thread()[-1] == "*Vetoed* by <@U03REV>: This is the real account.\nLook at the id."
    (told,) = s.dms(AGENT)
    assert "This is the real account." in text_of(told)
    await s.skip(HOUR)
    assert not s.deactivated()
    assert s.w.platform.effects == []


async def test_a_veto_needs_a_reason(s: Story) -> None:
    await s.file()
    await s.click(TESSA, "veto")
    view = s.ws.views(TESSA)[-1]
    next(b for b in view.blocks if b["type"] == "input")["optional"] = True
    assert (await s.submit(TESSA, {"reason.value": "   "})).startswith(
        "A veto needs a reason, in a few words."
    )
    assert await s.phase() is Phase.OPEN
    assert "is vetoed" in await s.submit(TESSA, {"reason.value": "No."})


async def test_a_veto_beats_a_quorum(s: Story) -> None:
    await s.file("@president")
    await s.approve(TESSA)
    await s.approve(LENA)
    assert "is vetoed" in await s.veto(OMAR)
    await s.skip(2 * HOUR)
    assert not s.deactivated("acct-1000")


async def test_in_the_top_tiers_each_reviewer_is_told_of_the_cool_off_and_can_veto_there(
    s: Story,
) -> None:
    await s.file("@president")
    await s.approve(TESSA)
    await s.approve(LENA)
    for who in (TESSA, OMAR, LENA):
        assert [m.text for m in s.dms(who)][-1] == (
            "R-1, Deactivate @president, has its quorum and cools off."
        )
    assert s.dms(AGENT) == []
    (warning,) = s.dms(OMAR)
    assert labels(warning) == {"Veto", "Details"}
    s.ws.archive(REVIEW)  # a lost channel loses no veto
    await s.click(OMAR, "veto", warning)
    assert "is vetoed" in await s.submit(OMAR, {"reason.value": "Wrong one."})
    assert await s.phase() is Phase.VETOED


async def test_in_the_other_tiers_nobody_is_told_twice(s: Story) -> None:
    await s.cooling_off()
    assert s.dms(OMAR) == []


async def test_two_vetoes_are_one(s: Story) -> None:
    await s.file()
    for who in (TESSA, OMAR):
        assert await s.click(who, "veto") == ""
    assert "is vetoed" in await s.submit(TESSA, {"reason.value": "No."})
    assert "R-1 is vetoed: Veto is not possible now" in await s.submit(
        OMAR, {"reason.value": "No."}
    )
    assert (await s.kinds()).count("Vetoed") == 1


# --- the thread and the channel ---------------------------------------------------------------


async def test_only_the_end_is_shown_to_the_whole_channel(s: Story) -> None:
    await s.cooling_off()
    assert s.ws.timeline(REVIEW) == [s.card()]
    await s.until_ready()
    _, end = s.ws.timeline(REVIEW)
    assert end.text.startswith("*Deactivated*: the effect was seen")


async def test_nothing_unfurls(s: Story) -> None:
    await s.executed(evidence="https://evidence.example/1")
    posts = [c for c in s.w.slack.calls if c.method == "chat.postMessage"]
    assert posts
    for call in posts:
        assert str(call.args["unfurl_links"]).lower() in ("0", "false")
        assert str(call.args["unfurl_media"]).lower() in ("0", "false")


async def test_a_slack_that_forgets_the_answer_url_is_answered_by_dm(s: Story) -> None:
    await s.file()
    s.w.slack.fail("response_url", Error("used_url"))
    assert await s.approve(TESSA) == "R-1, Deactivate @pres1dent, is cooling off."
    assert [m.text for m in s.ws.dm(TESSA) if not m.metadata] == [
        "R-1, Deactivate @pres1dent, is cooling off."
    ]


# --- Details and Home -------------------------------------------------------------------------


async def details(s: Story, who: str) -> Any:
    await s.click(who, "details")
    return s.ws.views(who)[-1]


async def test_details_show_each_viewer_only_what_they_may_do(s: Story) -> None:
    await s.file("@ada", what="Line one.", evidence="https://a.example/1\nhttps://b.example/2")
    assert labels(await details(s, TESSA)) == {"Approve", "Veto"}
    assert labels(await details(s, AGENT)) == {"Withdraw"}
    assert labels(await details(s, MAX)) == set()
    assert "it is a guest" in await s.click(GUEST, "details")
    assert s.ws.views(GUEST) == []
    said = text_of(await details(s, MAX))
    for fact in ("Line one.", "https://a.example/1\nhttps://b.example/2", "<@U01AGENT> filed R-1"):
        assert fact in said
    await s.approve(TESSA)
    assert labels(await details(s, TESSA)) == {"Veto", "Retract"}
    await s.until_ready()
    assert labels(await details(s, OMAR)) == {"Restore"}
    assert labels(await details(s, AGENT)) == set()


async def test_details_follow_what_is_done_in_them(s: Story) -> None:
    await s.file("@ada")
    view = await details(s, TESSA)
    said = await s.click(TESSA, "approve", view)
    assert said == "R-1, Deactivate @ada, is cooling off."
    (view,) = s.ws.views(TESSA)
    assert "cooling off" in text_of(view)
    assert labels(view) == {"Veto", "Retract"}


async def test_in_the_top_tiers_details_ask_as_the_card_does(s: Story) -> None:
    await s.file("@president")
    view = await details(s, TESSA)
    await s.click(TESSA, "approve_form", view)
    assert len(s.ws.views(TESSA)) == 2
    assert await s.kinds() == ["Filed"]
    assert "still needs legal" in await s.submit(TESSA)


async def test_details_veto_and_restore_in_a_form_on_top(s: Story) -> None:
    await s.file("@ada")
    await s.click(TESSA, "veto", await details(s, TESSA))
    assert len(s.ws.views(TESSA)) == 2
    assert "is vetoed" in await s.submit(TESSA, {"reason.value": "No."})


async def test_home_shows_what_is_open_and_what_its_owner_may_do(s: Story) -> None:
    await s.hand(TESSA).open_home()
    await s.settle()
    home = s.ws.home(TESSA)
    assert home is not None
    assert "Nothing is open." in text_of(home)
    await s.file()
    for who, acts in ((TESSA, "You may: Approve, Veto"), (AGENT, "You may: Withdraw")):
        await s.hand(who).open_home()
        await s.settle()
        home = s.ws.home(who)
        assert home is not None
        assert "*R-1* Deactivate @pres1dent · open · still needs one more reviewer" in text_of(home)
        assert acts in text_of(home)
    await s.hand(MAX).open_home()
    await s.settle()
    home = s.ws.home(MAX)
    assert home is not None
    assert "You may" not in text_of(home)
    await s.click(MAX, "details", home)
    assert "Deactivate @pres1dent" in text_of(s.ws.views(MAX)[-1])


async def test_home_of_somebody_of_another_organisation_stays_empty(s: Story) -> None:
    await s.file()
    assert (await s.hand(OTHER).open_home()).status == 200
    await s.settle()
    assert s.ws.home(OTHER) is None


async def test_who_sees_no_card_has_no_button(s: Story) -> None:
    await s.file()
    s.ws.leave(REVIEW, OMAR)
    with pytest.raises(NoSuchButton):
        await s.hand(OMAR).click(s.card(), "approve")


async def test_a_short_cool_off_is_a_warning_on_the_card(
    clock: SandboxClock, tmp_path: Any
) -> None:
    changed = policy(standard={"cool_off": "30s"})
    async with world(clock, tmp_path / "nolone.db", policy=changed) as w:
        s = Story(w)
        await s.file()
        assert "gives it a cool-off of less than a minute." in s.says()


async def test_a_slow_slack_counts_as_one_that_says_nothing(
    s: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acknowledgement has three seconds, and a doubt is no approval."""
    monkeypatch.setattr("bot.engine.LOOK_UP_WITHIN", 0.1)
    await s.file()
    await s.skip(HOUR)
    s.w.slack.fail("users.info", *[Slow(0.5)] * 9)
    said = await s.approve(TESSA)
    assert said.startswith("Slack could not be asked who you are")
    assert await s.kinds() == ["Filed"]
