"""What is looked at again before an action is started, and what each finding leads to."""

from dataclasses import replace

import pytest

from bot.core.actions import ActionKind
from bot.core.checks import Defer, Lapse, Reopen, Wait, findings
from bot.core.commands import Expire, Recheck, Start
from bot.core.facts import Facts, Missing, Posted, Unread
from bot.core.request import Phase

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    ETA,
    FACTS,
    LEE,
    NOW,
    RUN_BY,
    STANDARD,
    after,
    approve,
    approved,
    cooling,
    decided,
    filed,
    fold,
    group,
    kinds,
    refusal,
    restoring,
    snapshot,
    with_groups,
    with_person,
)

START, RECHECK = Start("R-1"), Recheck("R-1")
RENAMED = replace(FACTS, subject=snapshot(handle="@vice"))
UNREAD = replace(FACTS, subject=Unread("it timed out"))
CHANNEL = replace(FACTS, channel="the review channel is shared with another organisation")


def waits(facts: Facts) -> str:
    """Why a ready request is not started; a Recheck does nothing then."""
    assert kinds(cooling(), RECHECK, facts, ETA) == []
    return refusal(cooling(), START, facts, ETA)


def lapses(facts: Facts) -> str:
    (lapsed,) = decided(cooling(), START, facts, ETA)
    assert lapsed.kind == "Lapsed"
    return lapsed.why.open.text


def reopens(facts: Facts) -> str:
    (reopened,) = decided(cooling(), START, facts, ETA)
    assert reopened.kind == "Reopened"
    return reopened.why.open.text


def test_nothing_stands_against_what_has_not_changed() -> None:
    assert findings(cooling(), FACTS, ETA) == []
    assert kinds(cooling(), START, FACTS, ETA) == ["ExecutionStarted"]
    assert kinds(cooling(), RECHECK, FACTS, ETA) == []


# --- the requester -----------------------------------------------------------------------------


def test_a_requester_who_is_no_longer_an_agent_lapses() -> None:
    assert "no longer entitled" in lapses(replace(FACTS, agents=group()))


def test_a_requester_who_left_the_workspace_lapses() -> None:
    for changed in ({"flaw": "deleted"}, {"team": "T99OTHER"}):
        assert "no longer a full member" in lapses(with_person(AGENT, **changed))


def test_a_requester_who_cannot_be_read_defers() -> None:
    assert "requester is still here" in waits(with_person(AGENT, unread=True))
    assert "still entitled" in waits(replace(FACTS, agents=group(AGENT, fresh=False)))


def test_a_reviewer_who_restores_stays_entitled_by_the_last_list() -> None:
    start = Start("R-2")
    stale = with_groups(AWAY, ts=group(ANN, BOB, fresh=False))
    assert kinds(restoring(), start, stale) == ["ExecutionStarted"]
    assert kinds(restoring(), start, with_groups(AWAY, ts=group())) == ["Lapsed"]


def test_a_group_that_was_never_read_defers_a_restore_and_does_not_end_it() -> None:
    never = with_groups(AWAY, ts=group(fresh=False), legal=group(fresh=False))
    assert "still entitled" in refusal(restoring(), Start("R-2"), never)


def test_an_agent_who_asked_for_a_restore_is_entitled_without_being_a_reviewer() -> None:
    request = filed(AWAY, action=ActionKind.RESTORE)
    request = approved(ANN, facts=AWAY, request=request)
    assert kinds(request, START, AWAY) == ["ExecutionStarted"]
    assert kinds(request, START, replace(AWAY, agents=group())) == ["Lapsed"]


# --- the subject -------------------------------------------------------------------------------


def test_a_subject_that_is_gone_lapses() -> None:
    assert "no longer there" in lapses(replace(FACTS, subject=Missing()))


def test_a_subject_that_cannot_be_looked_up_defers() -> None:
    assert "could not be asked about the account: it timed out" in waits(UNREAD)


def test_a_subject_that_became_protected_lapses() -> None:
    assert "administrator" in lapses(replace(FACTS, subject=snapshot(roles=frozenset({"admin"}))))


def test_a_protected_subject_may_be_given_back() -> None:
    facts = replace(AWAY, subject=snapshot(legal_hold=True, handle="@new", followers=None))
    assert kinds(restoring(), Start("R-2"), facts) == ["ExecutionStarted"]


def test_another_handle_reopens() -> None:
    assert reopens(RENAMED) == "the account's handle is now @vice; it was @president"


def test_stricter_terms_reopen() -> None:
    standard = approved(ANN, facts=STANDARD)
    (reopened,) = decided(standard, START, FACTS, ETA)
    assert reopened.kind == "Reopened"
    assert "falls under the tier top" in reopened.why.open.text
    request = fold(standard, [reopened])
    assert (request.pinned.approvals, request.pinned.including) == (2, (("legal", 1),))
    assert request.pinned.open_for == standard.pinned.open_for  # the shorter one
    assert findings(request, FACTS, ETA) == []
    # and easier ones change nothing: the stricter of both are pinned
    request = after(request, approve(request, ANN), approve(request, LEE), now=ETA)
    assert request.eta is not None
    assert kinds(request, START, STANDARD, request.eta) == ["ExecutionStarted"]


# --- the quorum --------------------------------------------------------------------------------


def test_an_approver_who_left_the_group_reopens() -> None:
    why = reopens(with_groups(legal=group(ANN)))
    assert why == (
        "the quorum no longer stands (<@U05LEE>: no longer in legal; nobody counts for legal)"
    )


def test_an_approver_who_left_the_workspace_reopens() -> None:
    assert "<@U02ANN>: deleted" in reopens(with_person(ANN, flaw="deleted"))


def test_whoever_counts_only_for_another_group_now_leaves_a_place_empty() -> None:
    both = with_groups(legal=group(LEE, ANN))
    request = approved(ANN, BOB, facts=both)
    (reopened,) = decided(request, START, with_groups(legal=group(LEE)), ETA)
    assert reopened.why.open.text == "the quorum no longer stands (nobody counts for legal)"


def test_a_group_or_an_approver_that_cannot_be_read_defers_and_does_not_reopen() -> None:
    assert "members of legal could not be read" in waits(with_groups(legal=group(LEE, fresh=False)))
    assert "approvers are still here" in waits(with_person(LEE, unread=True))


def test_a_group_that_nobody_needs_may_be_unreadable() -> None:
    request = approved(ANN, facts=STANDARD)
    facts = with_groups(STANDARD, legal=group(LEE, fresh=False))
    assert kinds(request, START, facts, ETA) == ["ExecutionStarted"]


def test_an_open_request_is_not_reopened_for_want_of_a_quorum() -> None:
    for facts in (FACTS, with_groups(ts=group()), with_groups(ts=group(ANN, fresh=False))):
        assert kinds(approved(ANN), RECHECK, facts) == []


def test_a_cool_off_ends_early_when_the_quorum_no_longer_stands() -> None:
    assert kinds(cooling(), RECHECK, with_groups(legal=group())) == ["Reopened"]


# --- Slack -------------------------------------------------------------------------------------


@pytest.mark.parametrize("posted", [Posted(), Posted(card=True), Posted(notice=True)])
def test_nothing_starts_before_the_card_and_the_notice_are_in_slack(posted: Posted) -> None:
    assert "not in Slack yet" in waits(replace(FACTS, posted=posted))


def test_a_strict_request_waits_for_an_anchor_over_its_quorum() -> None:
    anchors = replace(FACTS, anchors=True)
    strict = cooling(facts=anchors)
    assert strict.pinned.strict
    assert "no anchor keeps a checkpoint over its quorum yet" in refusal(
        strict, START, anchors, ETA
    )
    ill = replace(anchors, anchor_trouble="anchors: channel_not_found")
    assert refusal(strict, START, ill, ETA).endswith("yet (anchors: channel_not_found).")
    assert "configured any more" in refusal(strict, START, FACTS, ETA)  # and it stays strict
    kept = replace(anchors, posted=replace(FACTS.posted, anchored=True))
    assert kinds(strict, START, kept, ETA) == ["ExecutionStarted"]
    assert not cooling().pinned.strict  # nor does one without anchors wait
    assert kinds(cooling(), START, FACTS, ETA) == ["ExecutionStarted"]


def test_a_strict_request_that_finds_no_anchor_expires() -> None:
    anchors = replace(FACTS, anchors=True)
    strict = cooling(facts=anchors)
    assert "is over" in refusal(strict, START, anchors, RUN_BY)
    assert kinds(strict, Expire("R-1"), anchors, RUN_BY) == ["Expired"]


def test_nothing_starts_from_a_channel_that_is_not_ours() -> None:
    assert "shared with another organisation" in waits(CHANNEL)


def test_a_restore_waits_neither_for_the_card_nor_for_the_channel() -> None:
    facts = replace(AWAY, posted=Posted(), channel="the channel is archived")
    assert kinds(restoring(), Start("R-2"), facts) == ["ExecutionStarted"]


def test_a_restore_waits_until_what_it_undoes_can_no_longer_arrive() -> None:
    late = replace(AWAY, sent_until=ETA)
    assert "may still arrive" in refusal(restoring(), Start("R-2"), late, ETA)
    assert kinds(restoring(), Start("R-2"), late, ETA + 1) == ["ExecutionStarted"]


def test_an_approval_that_counts_again_completes_the_quorum() -> None:
    left = with_groups(ts=group(BOB))
    request = approved(LEE, facts=left, request=approved(ANN))
    assert request.quorum_at is None
    assert kinds(request, RECHECK, left) == []
    assert kinds(request, RECHECK) == ["QuorumReached"]


# --- which of several ----------------------------------------------------------------------------


def test_the_gravest_finding_decides() -> None:
    gone = replace(RENAMED, agents=group(), posted=Posted())
    gone = with_groups(gone, ts=group(fresh=False), legal=group(fresh=False))
    found = [type(f) for f in findings(cooling(), gone, ETA)]
    assert list(dict.fromkeys(found)) == [Lapse, Defer, Reopen, Wait]


def test_what_cannot_be_read_keeps_a_request_from_being_reopened() -> None:
    facts = with_groups(RENAMED, legal=group(LEE, fresh=False))
    assert "could not be read" in refusal(cooling(), START, facts, ETA)


def test_what_is_not_posted_keeps_no_request_from_being_reopened() -> None:
    for facts in (replace(RENAMED, posted=Posted()), replace(RENAMED, channel="archived")):
        assert kinds(cooling(), START, facts, ETA) == ["Reopened"]
        assert kinds(cooling(), RECHECK, facts) == ["Reopened"]


def test_it_is_reopened_twice_and_lapses_then() -> None:
    request, facts = cooling(), FACTS
    for round in (2, 3):
        facts = replace(FACTS, subject=snapshot(handle=f"@new{round}"))
        request = fold(request, decided(request, RECHECK, facts))
        assert (request.round, request.phase(NOW), request.approvals) == (round, Phase.OPEN, ())
        request = approved(ANN, LEE, facts=facts, request=request)
    facts = replace(FACTS, subject=snapshot(handle="@new4"))
    assert kinds(request, RECHECK, facts) == ["Lapsed"]


def test_a_new_round_is_for_what_is_so_now() -> None:
    (reopened,) = decided(cooling(), START, RENAMED, ETA)
    request = fold(cooling(), [reopened])
    assert request.known.open.handle == "@vice"
    assert request.digest != cooling().digest
    assert request.deadline == ETA + request.pinned.open_for
    assert "earlier round" in refusal(request, approve(cooling(), ANN), RENAMED, ETA)
    assert kinds(request, approve(request, ANN), RENAMED, ETA) == ["Approved"]


def test_no_recheck_gives_new_time_to_what_only_has_to_expire() -> None:
    assert "The time of R-1 is over" in refusal(cooling(), RECHECK, RENAMED, RUN_BY)
    late = filed().deadline
    assert "The time of R-1 is over" in refusal(filed(), RECHECK, RENAMED, late)
