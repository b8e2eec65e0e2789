"""Every rule refuses what only it refuses, and says why."""

from dataclasses import replace

import pytest

from bot.core.actions import ActionKind, Outcome
from bot.core.commands import (
    AdoptPolicy,
    Query,
    Restore,
    Retract,
    Settle,
    Veto,
    Withdraw,
)
from bot.core.events import Grounds
from bot.core.facts import Missing, Person, Unread
from bot.core.reasons import PROTECTIVE, ReasonCode
from bot.core.rules import REGRET, RULES, SETTLE_AFTER, Act, mention, objection
from bot.core.subject import AccountState

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    DAY,
    ETA,
    EVE,
    FACTS,
    HOUR,
    LEE,
    MANAGER,
    MINUTE,
    NOW,
    RUN_BY,
    after,
    approve,
    approved,
    cooling,
    executed,
    executing,
    file,
    filed,
    group,
    kinds,
    policy,
    record,
    refusal,
    restoring,
    seen,
    sharing,
    snapshot,
    unknown,
    with_groups,
)

VETO = Veto(BOB, "R-1", "Not an impostor.")
RESTORE = Restore(ANN, "R-1", "A mistake.")
SETTLED_AT = ETA + SETTLE_AFTER


def settle(by: str, took_effect: bool = True) -> Settle:
    return Settle(by, "R-1", took_effect, "I asked the platform.")


def test_there_are_rules_for_every_act() -> None:
    assert {act for acts, _ in RULES for act in acts} == set(Act)


def test_people_are_named_in_order_and_nobody_by_word() -> None:
    assert mention(frozenset({"U2", "U1"})) == "<@U1>, <@U2>"
    assert mention(frozenset()) == "nobody yet"


# --- who somebody is -----------------------------------------------------------------------------


def test_nobody_decides_while_slack_cannot_say_who_they_are() -> None:
    unread = replace(FACTS, people={})
    assert "Slack could not be asked who you are" in refusal(None, file(), unread)
    assert "Slack could not be asked" in refusal(filed(), approve(filed(), ANN), unread)
    assert "Slack could not be asked" in refusal(executed(), RESTORE, unread, ETA)
    assert "Slack could not be asked" in refusal(None, Query(MANAGER, "", 0), unread)


def test_stopping_and_taking_back_work_while_slack_cannot_say_who_somebody_is() -> None:
    unread = replace(FACTS, people={})
    assert kinds(cooling(), VETO, unread) == ["Vetoed"]
    assert kinds(cooling(), Withdraw(AGENT, "R-1"), unread) == ["Withdrawn"]
    assert kinds(cooling(), Retract(ANN, "R-1"), unread) == ["Retracted", "QuorumLost"]


@pytest.mark.parametrize("act", Act)
def test_somebody_of_another_organisation_can_do_nothing(act: Act) -> None:
    stranger = Person(ANN, team="T99OTHER")
    why = objection(act, filed(), stranger, FACTS, NOW)
    assert why is not None
    assert "another organisation" in why


@pytest.mark.parametrize("act", Act)
def test_a_guest_or_a_deleted_account_can_do_nothing(act: Act) -> None:
    guest = replace(FACTS.person(ANN), flaw="a guest")
    assert objection(act, filed(), guest, FACTS, NOW) == (
        "This account cannot act here: it is a guest."
    )


@pytest.mark.parametrize("by", [ANN, MANAGER, EVE])
def test_only_agents_file(by: str) -> None:
    assert "Only agents can file" in refusal(None, file(by))
    assert f"<@{AGENT}>" in refusal(None, file(by))


def test_nobody_files_while_the_list_of_agents_cannot_be_read() -> None:
    facts = replace(FACTS, agents=group(AGENT, fresh=False))
    assert "agents could not be read" in refusal(None, file(), facts)


def test_agents_and_reviewers_ask_for_a_restore() -> None:
    for by in (AGENT, ANN, LEE):
        assert kinds(None, file(by, ActionKind.RESTORE), AWAY) == ["Filed"]
    for by in (MANAGER, EVE):
        assert "Only agents and reviewers" in refusal(None, file(by, ActionKind.RESTORE), AWAY)


def test_an_unread_list_is_said_to_be_unread() -> None:
    facts = with_groups(AWAY, ts=group(ANN, fresh=False))
    assert "could not be read" in refusal(None, file(ANN, ActionKind.RESTORE), facts)
    assert kinds(None, file(LEE, ActionKind.RESTORE), facts) == ["Filed"]
    facts = replace(FACTS, managers=group(MANAGER, fresh=False))
    assert "could not be read" in refusal(None, Query(MANAGER, "R-1", 1), facts)


@pytest.mark.parametrize("by", [AGENT, ANN, EVE])
def test_only_managers_query_the_trail(by: str) -> None:
    assert "Only managers" in refusal(None, Query(by, "R-1", 1))
    assert kinds(None, Query(MANAGER, "R-1", 1)) == ["Queried"]


def test_a_manager_can_neither_file_nor_decide_nor_stop() -> None:
    assert "Only agents" in refusal(None, file(MANAGER))
    assert "Only reviewers can approve" in refusal(filed(), approve(filed(), MANAGER))
    assert "Only reviewers can veto" in refusal(filed(), replace(VETO, by=MANAGER))
    assert "can withdraw it" in refusal(filed(), Withdraw(MANAGER, "R-1"))
    assert "Only reviewers can restore" in refusal(executed(), replace(RESTORE, by=MANAGER), AWAY)


def test_only_the_requester_withdraws() -> None:
    assert f"Only <@{AGENT}>" in refusal(filed(), Withdraw(ANN, "R-1"))


def test_the_requester_never_approves_and_never_settles() -> None:
    facts = with_groups(ts=group(AGENT, ANN))
    own = filed(facts)
    assert "somebody else has to decide" in refusal(own, approve(own, AGENT), facts)
    assert "somebody else" in refusal(unknown(), settle(AGENT), facts, SETTLED_AT)


def test_the_second_account_of_the_requester_does_not_approve() -> None:
    facts = sharing(FACTS, "email:a@example.org", AGENT, ANN)
    assert "somebody else has to decide" in refusal(filed(facts), approve(filed(), ANN), facts)


def test_the_requester_withdraws_instead_of_vetoing() -> None:
    facts = with_groups(ts=group(AGENT, ANN))
    assert "with Withdraw" in refusal(filed(facts), replace(VETO, by=AGENT), facts)


def test_only_reviewers_approve_and_settle() -> None:
    assert "Only reviewers can approve: legal, trust-safety." in refusal(
        filed(), approve(filed(), EVE)
    )
    assert "Only reviewers can settle" in refusal(unknown(), settle(EVE), now=SETTLED_AT)


def test_nobody_approves_by_a_group_that_cannot_be_read_and_the_request_is_held() -> None:
    facts = with_groups(ts=group(ANN, BOB, fresh=False))
    why = refusal(filed(), approve(filed(), ANN), facts)
    assert "members of trust-safety could not be read" in why
    assert "R-1 is held" in why


def test_an_empty_group_does_not_mean_everybody() -> None:
    facts = with_groups(ts=group(), legal=group())
    request = filed(facts)
    for by in (ANN, LEE, EVE, MANAGER, AGENT):
        refusal(request, approve(request, by), facts)
        refusal(request, replace(VETO, by=by), facts)


def test_whoever_joined_after_filing_may_veto_and_not_approve() -> None:
    joined = with_groups(ts=group(ANN, BOB, EVE))
    assert "became a reviewer after" in refusal(filed(), approve(filed(), EVE), joined)
    assert kinds(filed(), replace(VETO, by=EVE), joined) == ["Vetoed"]


def test_where_no_reviewer_could_be_read_at_filing_nobody_can_approve_and_all_are_told() -> None:
    unread = group(fresh=False)
    request = filed(with_groups(ts=unread, legal=unread))
    assert "has to be filed anew" in refusal(request, approve(request, ANN))
    assert kinds(request, VETO) == ["Vetoed"]


def test_nobody_approves_while_those_before_them_cannot_be_counted() -> None:
    request = approved(ANN)
    unread = with_groups(ts=group(ANN, BOB, fresh=False))
    assert "counted with theirs" in refusal(request, approve(request, LEE), unread)
    assert kinds(request, approve(request, LEE)) == ["Approved", "QuorumReached"]


def test_whoever_reviewed_at_filing_may_veto_after_leaving_and_not_approve() -> None:
    left = with_groups(ts=group(ANN))
    assert kinds(filed(), VETO, left) == ["Vetoed"]
    assert "Only reviewers can approve" in refusal(filed(), approve(filed(), BOB), left)


def test_a_veto_works_by_the_last_membership_that_could_be_read() -> None:
    facts = with_groups(ts=group(ANN, BOB, EVE, fresh=False))
    assert kinds(filed(), replace(VETO, by=EVE), facts) == ["Vetoed"]


def test_only_reviewers_veto() -> None:
    assert "Only reviewers can veto" in refusal(filed(), replace(VETO, by=EVE))


def test_only_reviewers_restore_at_once_and_by_the_last_list_if_need_be() -> None:
    assert "Only reviewers can restore" in refusal(executed(), replace(RESTORE, by=AGENT), AWAY)
    stale = with_groups(AWAY, ts=group(ANN, BOB, fresh=False))
    assert kinds(executed(), RESTORE, stale, ETA) == ["Filed", "QuorumReached"]


# --- what the subject is ---------------------------------------------------------------------


def test_what_was_not_found_or_not_looked_up_is_not_filed_on() -> None:
    assert "no such account" in refusal(None, file(), replace(FACTS, subject=Missing()))
    facts = replace(FACTS, subject=Unread("it timed out"))
    assert "could not be looked up: it timed out" in refusal(None, file(), facts)


def test_a_look_up_of_more_than_five_minutes_ago_is_not_filed_on() -> None:
    assert kinds(None, file(), now=NOW + 5 * MINUTE) == ["Filed"]
    assert "more than five minutes ago" in refusal(None, file(), now=NOW + 5 * MINUTE + 1)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"is_bot_itself": True}, "the bot itself"),
        ({"roles": frozenset({"admin"})}, "administrator of the platform"),
        ({"legal_hold": True}, "legal hold"),
    ],
)
def test_a_protected_account_is_not_filed_on(known: dict[str, object], why: str) -> None:
    assert why in refusal(None, file(), replace(FACTS, subject=snapshot(**known)))


def test_unknown_roles_and_an_unknown_hold_do_not_protect() -> None:
    facts = replace(FACTS, subject=snapshot(roles=None, legal_hold=None))
    assert kinds(None, file(), facts) == ["Filed"]


def test_there_has_to_be_something_to_change() -> None:
    assert "already deactivated, by somebody" in refusal(None, file(), AWAY)
    restore = file(action=ActionKind.RESTORE)
    assert "already active, by whom is unknown" in refusal(None, restore, FACTS)
    for command in (file(), restore):
        facts = replace(FACTS, subject=snapshot(state=AccountState.ERASED))
        assert "erased by the platform" in refusal(None, command, facts)
        facts = replace(FACTS, subject=snapshot(state=AccountState.UNKNOWN))
        assert kinds(None, command, facts) == ["Filed"]


def test_a_platform_has_to_be_able_to_do_it() -> None:
    assert "cannot do that" in refusal(None, file(), replace(FACTS, capability=None))


def test_one_request_holds_a_subject() -> None:
    assert "R-7 already concerns this account" in refusal(
        None, file(), replace(FACTS, holder="R-7")
    )


def test_a_restore_takes_over_from_the_unknown_request_that_it_undoes() -> None:
    restore = file(action=ActionKind.RESTORE)
    facts = replace(AWAY, holder="R-7", undoes="R-7")
    assert kinds(None, restore, facts) == ["Filed"]
    assert "R-7 already concerns" in refusal(None, restore, replace(facts, undoes="R-6"))
    facts = replace(FACTS, holder="R-7", undoes="R-7")
    assert "R-7 already concerns" in refusal(None, file(), facts)


def test_whoever_may_file_may_look_an_account_up_and_nobody_else() -> None:
    may = {
        act: [by for by in (AGENT, ANN, MANAGER, EVE) if not why_not(act, by)]
        for act in (Act.LOOK_UP, Act.LOOK_UP_TO_RESTORE)
    }
    assert may == {Act.LOOK_UP: [AGENT], Act.LOOK_UP_TO_RESTORE: [AGENT, ANN]}


def why_not(act: Act, by: str) -> str | None:
    return objection(act, None, FACTS.person(by), FACTS, NOW)


# --- where the request stands --------------------------------------------------------------------


def test_there_is_nothing_to_approve_while_cooling_off() -> None:
    assert "R-1 is cooling off" in refusal(cooling(), approve(cooling(), BOB))


def test_nothing_is_taken_back_once_it_runs() -> None:
    assert "R-1 is executing" in refusal(executing(), Retract(ANN, "R-1"), now=ETA)
    assert "R-1 is executing" in refusal(executing(), Withdraw(AGENT, "R-1"), now=ETA)
    assert "R-1 is unknown" in refusal(unknown(), VETO, now=ETA)
    assert "R-1 is executing" in refusal(executing(), settle(BOB), now=SETTLED_AT)
    assert "R-1 is ready" in refusal(cooling(), RESTORE, now=ETA)


def test_the_time_to_approve_ends() -> None:
    request = filed()
    assert kinds(request, approve(request, ANN), now=NOW + DAY - 1) == ["Approved"]
    assert "The time of R-1 is over" in refusal(request, approve(request, ANN), now=NOW + DAY)


def test_a_retraction_opens_nothing_anew_that_only_has_to_expire() -> None:
    assert kinds(cooling(), Retract(ANN, "R-1"), now=RUN_BY - 1) == ["Retracted", "QuorumLost"]
    assert "The time of R-1 is over" in refusal(cooling(), Retract(ANN, "R-1"), now=RUN_BY)


def test_nobody_approves_twice() -> None:
    request = approved(ANN)
    assert "one person counts once" in refusal(request, approve(request, ANN))


def test_nobody_approves_twice_from_two_accounts() -> None:
    facts = sharing(FACTS, "email:ann@example.org", ANN, LEE)
    request = approved(ANN, facts=facts)
    assert "one person counts once" in refusal(request, approve(request, LEE), facts)


def test_only_an_approver_retracts() -> None:
    assert "no approval on R-1 to retract" in refusal(approved(ANN), Retract(BOB, "R-1"))


def test_a_second_veto_is_not_needed() -> None:
    request = after(executing(), VETO, now=ETA)
    assert "already has a veto" in refusal(request, replace(VETO, by=LEE), now=ETA)


def test_people_settle_only_what_has_been_unknown_for_a_day() -> None:
    assert "unknown for 24 hours" in refusal(unknown(), settle(BOB), now=SETTLED_AT - 1)
    assert kinds(unknown(), settle(BOB), now=SETTLED_AT) == ["SettlementProposed"]


def test_one_person_settles_once_from_whichever_account() -> None:
    facts = sharing(FACTS, "grid:7", ANN, LEE)
    request = after(unknown(), settle(ANN), facts=facts, now=SETTLED_AT)
    for by in (ANN, LEE):
        assert "You have said so already" in refusal(request, settle(by), facts, SETTLED_AT)


# --- restoring with one click --------------------------------------------------------------------


def test_a_restore_is_not_restored() -> None:
    request = executing(restoring(), AWAY, now=NOW)
    request = after(request, record(request, seen()), facts=AWAY)
    assert "nothing to restore" in refusal(request, replace(RESTORE, request="R-2"), AWAY)


def test_what_somebody_else_did_takes_an_approval_to_restore() -> None:
    request = executed(Outcome.ALREADY_OTHERS)
    assert "done by somebody else" in refusal(request, RESTORE, AWAY, ETA)


@pytest.mark.parametrize("outcome", [Outcome.VERIFIED, Outcome.PARTIAL, Outcome.ALREADY_OURS])
def test_what_we_did_is_restored_with_one_click(outcome: Outcome) -> None:
    assert kinds(executed(outcome), RESTORE, AWAY, ETA) == ["Filed", "QuorumReached"]


def test_what_may_have_happened_is_restored_with_one_click() -> None:
    facts = replace(AWAY, holder="R-1")
    assert kinds(unknown(), RESTORE, facts, ETA + DAY) == ["Filed", "QuorumReached"]


def test_only_the_newest_change_is_undone() -> None:
    for facts in (replace(AWAY, newer="R-5"), replace(AWAY, undone_by="R-5", newer="R-6")):
        assert "R-5 came after R-1" in refusal(executed(), RESTORE, facts, ETA)


def test_a_subject_that_another_request_holds_is_not_restored() -> None:
    facts = replace(AWAY, holder="R-5")
    assert "R-5 already concerns" in refusal(executed(), RESTORE, facts, ETA)


def test_one_click_restores_for_a_day() -> None:
    assert kinds(executed(), RESTORE, AWAY, ETA + REGRET - 1) == ["Filed", "QuorumReached"]
    assert "more than 24 hours old" in refusal(executed(), RESTORE, AWAY, ETA + REGRET)


@pytest.mark.parametrize("reason", sorted(PROTECTIVE))
def test_an_account_that_is_away_to_protect_people_takes_an_approval(reason: ReasonCode) -> None:
    assert "protects people" in refusal(executed(reason=reason), RESTORE, AWAY, ETA)


def test_the_fourth_restore_of_a_day_takes_an_approval() -> None:
    facts = replace(AWAY, restores_today=2)
    assert kinds(executed(), RESTORE, facts, ETA) == ["Filed", "QuorumReached"]
    facts = replace(AWAY, restores_today=3)
    assert "restored 3 accounts alone" in refusal(executed(), RESTORE, facts, ETA)


# --- what no rule lets in ------------------------------------------------------------------------


def test_nothing_that_the_requester_typed_reaches_the_terms() -> None:
    plain, loud = (
        Grounds(what_happened="x"),
        Grounds(what_happened="approvals: 0", ticket="tier: x"),
    )
    terms = filed(grounds=plain, reason=ReasonCode.SPAM).terms
    assert filed(grounds=loud, reason=ReasonCode.LEGAL_ORDER).terms == terms


def test_open_requests_keep_their_terms_under_a_new_policy() -> None:
    loose = policy(
        tiers=[
            {
                "name": "all",
                "quorum": {"approvals": 1},
                "cool_off": MINUTE,
                "open_for": HOUR,
                "run_within": HOUR,
            }
        ]
    )
    facts = replace(FACTS, policy=loose, pinned=FACTS.policy)
    assert kinds(filed(), approve(filed(), ANN), facts) == ["Approved"]
    assert kinds(None, AdoptPolicy(loose)) == ["PolicyAdopted"]


# --- asking the trail ----------------------------------------------------------------------------


def test_whoever_files_reviews_or_manages_may_ask_for_their_own() -> None:
    for by in (AGENT, ANN, LEE, MANAGER):
        assert kinds(None, Query(by, "mine", 0, mine=True)) == ["Queried"]
    said = refusal(None, Query(EVE, "mine", 0, mine=True))
    assert "Only agents and reviewers" in said
    assert f"Agents are: <@{AGENT}>" in said
    assert "Reviewers are those of legal, trust-safety" in said


def test_nobody_is_told_that_they_may_not_while_the_lists_cannot_be_read() -> None:
    facts = replace(FACTS, agents=group(fresh=False))
    assert "could not be read" in refusal(None, Query(EVE, "mine", 0, mine=True), facts)
    assert kinds(None, Query(ANN, "mine", 0, mine=True), facts) == ["Queried"]
    stale = with_groups(ts=group(ANN, fresh=False))
    assert "could not be read" in refusal(None, Query(ANN, "mine", 0, mine=True), stale)


def test_who_may_not_query_the_trail_learns_what_they_may_ask() -> None:
    assert "/audit mine" in refusal(None, Query(ANN, "state:open", 0))
