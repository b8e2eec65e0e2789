"""Every transition: what each command leads to, and that a refusal changes nothing."""

from dataclasses import replace

import pytest

from bot.core.actions import ActionKind, Outcome
from bot.core.commands import (
    HOST,
    AdoptPolicy,
    Approve,
    Command,
    Expire,
    NothingHappened,
    Query,
    Recheck,
    Record,
    Refusal,
    Restore,
    Retract,
    SetBack,
    Settle,
    Start,
    Unclear,
    Unmask,
    Veto,
    Withdraw,
)
from bot.core.facts import Facts
from bot.core.reasons import ReasonCode
from bot.core.request import Phase
from bot.core.rules import SETTLE_AFTER
from bot.core.subject import SubjectId

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    DAY,
    ETA,
    FACTS,
    HOUR,
    LEE,
    MANAGER,
    MINUTE,
    NOW,
    RUN_BY,
    SECOND,
    STANDARD,
    SUBJECT,
    after,
    approve,
    approved,
    cooling,
    decided,
    executed,
    executing,
    exported,
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
SET_BACK = SetBack("host:root", "R-1", "an older state was restored")
NOTHING, UNCLEAR = NothingHappened("the connection was refused"), Unclear("it timed out")


# --- filing --------------------------------------------------------------------------------------


def test_filing_pins_the_facts_the_terms_and_who_could_review() -> None:
    (event,) = decided(None, file())
    assert (event.kind, event.request, event.by, event.at) == ("Filed", "R-1", AGENT, NOW)
    assert event.subject.open == SUBJECT
    assert event.snapshot.open == FACTS.subject
    assert (event.terms.tier, event.terms.approvals, event.terms.cool_off) == (
        "top",
        2,
        30 * MINUTE,
    )
    assert event.electorate == (("legal", (LEE,)), ("trust-safety", (ANN, BOB)))
    assert event.grounds.open.what_happened == "Sells pills."
    assert event.undoes is None


def test_filing_takes_only_the_account_that_was_looked_up() -> None:
    other = file(subject=SubjectId(platform="demo", id="b2"))
    assert "start again" in refusal(None, other)


def test_no_two_sealed_values_share_a_salt() -> None:
    (event,) = decided(None, file())
    sealed = [event.subject, event.snapshot, event.grounds, event.identity]
    assert len({s.salt for s in sealed}) == 4


@pytest.mark.parametrize(
    ("changed", "facts"),
    [
        ({}, STANDARD),
        ({}, replace(FACTS, seed="11" * 32)),
        ({"reason": ReasonCode.HATE}, FACTS),
        ({"grounds": file().grounds.model_copy(update={"evidence": ("https://x",)})}, FACTS),
    ],
)
def test_the_digest_covers_the_facts_the_reason_and_the_grounds(
    changed: dict[str, object], facts: Facts
) -> None:
    assert filed(facts, **changed).digest != filed().digest


def test_a_restore_that_is_asked_for_takes_one_approval_and_no_cool_off() -> None:
    facts = replace(AWAY, undoes="R-9")
    request = filed(facts, action=ActionKind.RESTORE)
    assert (request.pinned.approvals, request.pinned.cool_off) == (1, 0)
    assert request.undoes == "R-9"
    request = after(request, approve(request, ANN), facts=facts)
    assert request.phase(NOW) is Phase.READY


def test_a_deactivation_undoes_nothing() -> None:
    assert filed(replace(FACTS, undoes="R-9")).undoes is None


# --- approving and taking back -----------------------------------------------------------------


def test_an_approval_is_for_the_facts_on_the_card() -> None:
    (event,) = decided(filed(), approve(filed(), ANN))
    assert (event.kind, event.by, event.digest) == ("Approved", ANN, filed().digest)
    assert event.groups == ("trust-safety",)


def test_a_card_of_another_round_or_digest_approves_nothing() -> None:
    current = approve(filed(), ANN)
    for stale in (replace(current, round=2), replace(current, digest8="00000000")):
        assert "earlier round" in refusal(filed(), stale)


def test_the_last_approval_that_was_missing_reaches_the_quorum() -> None:
    request = approved(ANN)
    given, reached = decided(request, approve(request, LEE))
    assert (given.kind, reached.kind, reached.counted) == ("Approved", "QuorumReached", (ANN, LEE))
    assert kinds(request, approve(request, BOB)) == ["Approved"]


def test_a_retraction_loses_the_quorum_and_keeps_the_deadline() -> None:
    assert kinds(approved(ANN), Retract(ANN, "R-1")) == ["Retracted"]
    later = NOW + MINUTE
    assert kinds(cooling(), Retract(ANN, "R-1"), now=later) == ["Retracted", "QuorumLost"]
    request = after(cooling(), Retract(ANN, "R-1"), now=later)
    assert (request.phase(later), request.deadline) == (Phase.OPEN, NOW + DAY)


def test_a_retraction_of_what_never_counted_loses_nothing() -> None:
    gone = with_groups(ts=group(ANN))
    request = approved(BOB)
    request = after(request, approve(request, ANN), approve(request, LEE), facts=gone)
    assert kinds(request, Retract(BOB, "R-1"), gone) == ["Retracted"]


def test_a_retraction_never_revives_and_a_fresh_click_may_approve_again() -> None:
    request = after(cooling(), Retract(LEE, "R-1"))
    later = NOW + HOUR
    again = after(request, approve(request, LEE), now=later)
    assert again.eta == later + 30 * MINUTE


# --- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("now", [NOW, ETA - 1, ETA, RUN_BY])
def test_a_veto_beats_a_quorum(now: int) -> None:
    request = after(cooling(), VETO, now=now)
    assert request.phase(now) is Phase.VETOED
    assert request.ending is not None
    assert (request.ending.by, request.ending.at) == (BOB, now)


@pytest.mark.parametrize("by", [ANN, LEE])
def test_whoever_approved_may_still_veto(by: str) -> None:
    assert kinds(cooling(), replace(VETO, by=by)) == ["Vetoed"]


def test_a_veto_has_a_reason() -> None:
    assert "needs a reason" in refusal(filed(), replace(VETO, reason=" \n"))
    (event,) = decided(filed(), VETO)
    assert event.reason.open.text == "Not an impostor."


def test_a_veto_of_a_running_attempt_forbids_any_further_one() -> None:
    request = after(executing(), VETO, now=ETA)
    assert request.phase(ETA) is Phase.EXECUTING
    request = after(request, record(request, NOTHING), now=ETA + SECOND)
    assert request.phase(ETA + SECOND) is Phase.VETOED
    assert request.ending is not None
    assert request.ending.by == BOB
    assert request.ending.at == ETA


def test_a_veto_that_came_too_late_does_not_deny_what_happened() -> None:
    request = after(executing(), VETO, now=ETA)
    assert after(request, record(request, seen()), now=ETA).phase(ETA) is Phase.EXECUTED
    request = after(request, record(request, UNCLEAR), now=ETA)
    assert request.phase(ETA) is Phase.UNKNOWN
    assert after(request, record(request, NOTHING), now=ETA).phase(ETA) is Phase.FAILED


@pytest.mark.parametrize("now", [NOW, ETA])
def test_the_requester_withdraws(now: int) -> None:
    assert after(cooling(), Withdraw(AGENT, "R-1"), now=now).phase(now) is Phase.WITHDRAWN


def test_time_ends_an_open_request_and_a_ready_one_and_no_other() -> None:
    (event,) = decided(filed(), Expire("R-1"), now=NOW + DAY)
    assert (event.kind, event.phase) == ("Expired", "open")
    (event,) = decided(cooling(), Expire("R-1"), now=RUN_BY)
    assert (event.kind, event.phase) == ("Expired", "ready")
    assert "R-1 is open, and in time" in refusal(filed(), Expire("R-1"), now=NOW + DAY - 1)
    assert "R-1 is ready, and in time" in refusal(cooling(), Expire("R-1"), now=RUN_BY - 1)
    assert "R-1 is cooling off" in refusal(cooling(), Expire("R-1"), now=ETA - 1)
    assert "R-1 is executing" in refusal(executing(), Expire("R-1"), now=NOW + 9 * DAY)
    assert "R-1 is unknown" in refusal(unknown(), Expire("R-1"), now=NOW + 9 * DAY)


# --- running -------------------------------------------------------------------------------------


def test_nothing_starts_before_its_cool_off_is_over_or_after_its_time() -> None:
    start = Start("R-1")
    assert "R-1 is open, not ready" in refusal(approved(ANN), start)
    assert "R-1 is cooling off, not ready" in refusal(cooling(), start, now=ETA - 1)
    assert kinds(cooling(), start, now=ETA) == ["ExecutionStarted"]
    assert kinds(cooling(), start, now=RUN_BY - 1) == ["ExecutionStarted"]
    assert "The time of R-1 is over" in refusal(cooling(), start, now=RUN_BY)
    assert "R-1 is executing, not ready" in refusal(executing(), start, now=ETA)


def test_an_order_is_for_the_id_that_was_approved_and_for_half_a_minute() -> None:
    (event,) = decided(cooling(), Start("R-1"), now=ETA)
    order = event.order.open
    assert order.key == "test.example/R-1/1"
    assert (order.action, order.subject) == (ActionKind.DEACTIVATE, SUBJECT)
    assert (order.handle, order.not_after) == ("@president", ETA + 30 * SECOND)
    assert event.before.open == FACTS.subject
    (event,) = decided(cooling(), Start("R-1"), now=RUN_BY - SECOND)
    assert event.order.open.not_after == RUN_BY


def test_an_attempt_that_came_to_nothing_leaves_it_ready_and_the_next_is_checked_anew() -> None:
    request = executing()
    request = after(request, record(request, NOTHING), now=ETA + 1)
    assert request.phase(ETA + 1) is Phase.READY
    (event,) = decided(request, Start("R-1"), now=ETA + 2)
    assert (event.attempt, event.order.open.key) == (2, "test.example/R-1/1")
    assert kinds(request, Start("R-1"), with_groups(legal=group()), ETA + 2) == ["Reopened"]


def test_a_finding_is_taken_only_for_the_attempt_under_way() -> None:
    assert "no attempt 2 under way" in refusal(executing(), Record("R-1", 2, seen()), now=ETA)
    assert "no attempt 1 under way" in refusal(cooling(), Record("R-1", 1, seen()), now=ETA)
    assert "no attempt 1 under way" in refusal(executed(), Record("R-1", 1, seen()), now=ETA)


@pytest.mark.parametrize(
    "outcome", [Outcome.VERIFIED, Outcome.PARTIAL, Outcome.ALREADY_OURS, Outcome.ALREADY_OTHERS]
)
def test_what_was_seen_is_recorded(outcome: Outcome) -> None:
    for request in (executing(), unknown()):
        (event,) = decided(request, record(request, seen(outcome)), now=ETA)
        assert (event.kind, event.outcome) == ("Executed", outcome)
        assert event.receipt.open.answer == "PUT users: 200"
        assert event.observed.open.surface == "search"


def test_what_was_seen_without_an_answer_is_recorded_too() -> None:
    finding = replace(seen(), receipt=None, observed=None)
    (event,) = decided(executing(), record(executing(), finding), now=ETA)
    assert (event.kind, event.receipt, event.observed) == ("Executed", None, None)


def test_an_answer_without_an_effect_is_a_failure() -> None:
    for request in (executing(), unknown()):
        command = record(request, seen(Outcome.NOT_APPLIED))
        (event,) = decided(request, command, now=ETA)
        assert event.kind == "ExecutionFailed"
        assert "nothing changed" in event.why.open.text


def test_a_refusal_of_the_platform_is_a_failure() -> None:
    (event,) = decided(executing(), record(executing(), Refusal("an administrator")), now=ETA)
    assert (event.kind, event.why.open.text) == ("ExecutionFailed", "an administrator")


@pytest.mark.parametrize("finding", [UNCLEAR, seen(Outcome.UNKNOWN)])
def test_an_effect_that_nobody_saw_is_unknown_and_not_closed(finding: Unclear) -> None:
    assert kinds(executing(), record(executing(), finding), now=ETA) == ["ExecutionUnknown"]
    assert kinds(unknown(), record(unknown(), finding), now=ETA) == []
    assert not unknown().phase(NOW + 9 * DAY).closed


def test_an_unknown_effect_that_did_not_come_is_a_failure_and_never_tried_again() -> None:
    assert kinds(unknown(), record(unknown(), NOTHING), now=ETA) == ["ExecutionFailed"]
    assert "not ready" in refusal(unknown(), Start("R-1"), now=ETA)


def test_while_a_restore_is_under_way_nothing_is_recorded() -> None:
    facts = replace(AWAY, holder="R-2")
    why = refusal(unknown(), record(unknown(), seen()), facts, ETA)
    assert "R-1 waits for R-2" in why


def test_what_was_restored_is_never_known() -> None:
    facts = replace(FACTS, undone_by="R-2")
    (event,) = decided(unknown(), record(unknown(), NOTHING), facts, ETA)
    assert (event.kind, event.outcome, event.observed) == ("Executed", Outcome.UNKNOWN, None)


# --- settling ------------------------------------------------------------------------------------

LATE = ETA + SETTLE_AFTER


def settle(by: str, took_effect: bool) -> Settle:
    return Settle(by, "R-1", took_effect, "The platform told me.")


@pytest.mark.parametrize(("took_effect", "phase"), [(True, Phase.EXECUTED), (False, Phase.FAILED)])
def test_two_reviewers_who_agree_settle_what_is_unknown(took_effect: bool, phase: Phase) -> None:
    request = after(unknown(), settle(ANN, took_effect), now=LATE)
    assert request.phase(LATE) is Phase.UNKNOWN
    request = after(request, settle(LEE, took_effect), now=LATE)
    assert request.phase(LATE) is phase


def test_two_reviewers_who_disagree_settle_nothing_and_a_third_does() -> None:
    request = after(unknown(), settle(ANN, True), settle(LEE, False), now=LATE)
    assert request.phase(LATE) is Phase.UNKNOWN
    assert after(request, settle(BOB, False), now=LATE).phase(LATE) is Phase.FAILED


def test_a_settlement_has_a_reason() -> None:
    assert "how you know" in refusal(unknown(), replace(settle(ANN, True), reason=" "), now=LATE)


def test_one_person_with_two_accounts_settles_nothing() -> None:
    facts = sharing(FACTS, "email:x", ANN, LEE)
    request = after(unknown(), settle(ANN, True), facts=facts, now=LATE)
    refusal(request, settle(LEE, True), facts, LATE)


# --- restoring -----------------------------------------------------------------------------------


def test_one_click_restores_and_its_giver_counts_as_the_filer() -> None:
    facts = replace(AWAY, next_id="R-2")
    first, reached = decided(executed(), Restore(ANN, "R-1", "A mistake."), facts, ETA)
    assert (first.kind, first.request, first.by, first.undoes) == ("Filed", "R-2", ANN, "R-1")
    assert (first.action, first.subject.open) == (ActionKind.RESTORE, SUBJECT)
    assert first.grounds.open.what_happened == "A mistake."
    assert (first.terms.approvals, first.terms.cool_off) == (0, 0)
    assert (reached.kind, reached.counted) == ("QuorumReached", ())
    assert restoring().phase(NOW) is Phase.READY
    assert kinds(restoring(), Withdraw(ANN, "R-2"), AWAY) == ["Withdrawn"]
    assert kinds(restoring(), replace(VETO, request="R-2"), AWAY) == ["Vetoed"]


def test_a_restore_has_a_reason() -> None:
    assert "Say why" in refusal(executed(), Restore(ANN, "R-1", ""), AWAY, ETA)


def test_a_restore_needs_no_handle_and_no_terms_to_be_the_same() -> None:
    facts = replace(AWAY, subject=snapshot(handle="@another", followers=None))
    (event,) = decided(restoring(), Start("R-2"), facts)
    assert event.order.open.handle == "@another"
    assert event.order.open.action is ActionKind.RESTORE


# --- the other streams -----------------------------------------------------------------------------


def test_a_query_is_recorded() -> None:
    (event,) = decided(None, Query(MANAGER, "by:U01AGENT", 3))
    assert (event.kind, event.query.open.text, event.answered) == ("Queried", "by:U01AGENT", 3)


def test_whoever_is_on_the_machine_may_query_and_is_recorded() -> None:
    (event,) = decided(None, Query(f"{HOST}root", "stats", 0))
    assert (event.kind, event.by) == ("Queried", "host:root")


def test_an_export_is_recorded_with_what_the_file_is() -> None:
    (event,) = decided(None, exported(MANAGER))
    assert (event.kind, event.by, event.query.open.text) == ("Exported", MANAGER, "export")
    assert (event.format, event.since, event.until) == ("jsonl", None, None)
    assert (event.size, event.root, event.entries, event.digest) == (12, "cm9vdA==", 12, "d1" * 32)
    assert event.names is None


def test_only_managers_and_whoever_is_on_the_machine_are_given_an_export() -> None:
    assert "Only managers" in refusal(None, exported(AGENT))
    assert "Only managers" in refusal(None, exported(ANN))
    assert kinds(None, exported("host:root")) == ["Exported"]


def masked(names: tuple[tuple[str, str], ...] | None = (("reviewer-1", ANN),)) -> Facts:
    (made,) = decided(None, exported("host:root", names))
    return replace(FACTS, exported=made)


def test_an_unmasking_is_recorded_with_its_reason() -> None:
    (event,) = decided(None, Unmask("host:root", 7, "reviewer-1", "A complaint."), masked())
    assert (event.kind, event.by, event.export) == ("Unmasked", "host:root", 7)
    assert (event.name, event.reason.open.text) == ("reviewer-1", "A complaint.")


def test_nobody_is_unmasked_without_reason_or_name_or_where_nobody_is_masked() -> None:
    unmask = Unmask("host:root", 7, "reviewer-1", "A complaint.")
    assert "Say why" in refusal(None, replace(unmask, reason="  "), masked())
    assert "no export" in refusal(None, unmask, FACTS)
    assert "shows people as they are" in refusal(None, unmask, masked(None))
    assert "Nobody is called agent-9" in refusal(None, replace(unmask, name="agent-9"), masked())
    assert "machine only" in refusal(None, replace(unmask, by=MANAGER), masked())
    made = masked().exported
    assert made is not None
    assert made.names is not None
    names = made.names.model_copy(update={"salt": None, "value": None})
    erased = replace(FACTS, exported=made.model_copy(update={"names": names}))
    assert "was erased" in refusal(None, unmask, erased)


def test_a_changed_policy_waits_for_the_longest_cool_off_of_the_one_in_force() -> None:
    other = policy(channels={"review": "C09OTHER"})
    (event,) = decided(None, AdoptPolicy(other))
    assert event.effective == NOW + 30 * MINUTE
    assert event.policy.open == other
    assert event.changes.open.text == "Review channel: C02REV → C09OTHER."


def test_a_change_that_is_taken_back_is_recorded_and_acts_at_once() -> None:
    (event,) = decided(None, AdoptPolicy(policy()))
    assert event.changes.open.text == "The change that was announced is taken back."
    assert event.effective == NOW
    (event,) = decided(None, AdoptPolicy(policy(), first=True))
    assert event.changes.open.text == ""


def test_the_first_policy_acts_at_once() -> None:
    (event,) = decided(None, AdoptPolicy(policy()), replace(FACTS, ever_filed=False))
    assert event.effective == NOW


# --- a trail that was set back ---------------------------------------------------------------------


@pytest.mark.parametrize("now", [NOW, ETA - 1, ETA, RUN_BY])
def test_what_waits_when_the_trail_is_set_back_lapses(now: int) -> None:
    for request in (filed(), cooling()):
        (event,) = decided(request, SET_BACK, now=now)
        assert (event.kind, event.by) == ("Lapsed", "host:root")
        assert event.why.open.text == "an older state was restored"
        assert after(request, SET_BACK, now=now).phase(now) is Phase.LAPSED


def test_what_is_under_way_when_the_trail_is_set_back_is_unknown_and_looked_for() -> None:
    (event,) = decided(executing(), SET_BACK, now=ETA)
    assert event.kind == "ExecutionUnknown"
    assert after(executing(), SET_BACK, now=ETA).phase(ETA) is Phase.UNKNOWN
    said = refusal(unknown(), SET_BACK, now=ETA)
    assert said == "R-1 is unknown: nothing of it is still to run."


def test_only_who_has_the_machine_sets_the_trail_back() -> None:
    for by in (ANN, MANAGER, AGENT, "worker"):
        assert "Only on the machine" in refusal(filed(), SetBack(by, "R-1", "set back"))


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        Approve(ANN, "R-9", 1, "0" * 8),
        Retract(ANN, "R-9"),
        Veto(ANN, "R-9", "No."),
        Withdraw(AGENT, "R-9"),
        Recheck("R-9"),
        Start("R-9"),
        Record("R-9", 1, NOTHING),
        Expire("R-9"),
        SetBack("host:root", "R-9", "set back"),
        Restore(ANN, "R-9", "A mistake."),
        Settle(ANN, "R-9", True, "I know."),
    ],
)
def test_what_names_no_request_is_refused(command: Command) -> None:
    assert refusal(None, command) == "There is no request R-9."


@pytest.mark.parametrize("end", [Withdraw(AGENT, "R-1"), VETO, Expire("R-1")])
def test_nothing_happens_after_the_end(end: Command) -> None:
    request = after(cooling(), end, now=RUN_BY)
    for command in (
        approve(request, BOB),
        Retract(ANN, "R-1"),
        VETO,
        Withdraw(AGENT, "R-1"),
        Recheck("R-1"),
        Start("R-1"),
        Record("R-1", 1, seen()),
        Expire("R-1"),
        SET_BACK,
        Restore(ANN, "R-1", "A mistake."),
        settle(ANN, True),
    ):
        refusal(request, command, now=RUN_BY)
