"""A decision explains itself, and shows nobody what would be refused."""

from dataclasses import replace

import pytest

from bot.core.actions import ActionKind, Outcome
from bot.core.assess import assess, may
from bot.core.request import Phase
from bot.core.rules import Act

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    ETA,
    EVE,
    FACTS,
    LEE,
    MANAGER,
    MINUTE,
    NOW,
    STANDARD,
    approved,
    cooling,
    executed,
    executing,
    filed,
    group,
    policy,
    restoring,
    unknown,
    with_groups,
)

DECIDE = (Act.APPROVE, Act.RETRACT, Act.WITHDRAW, Act.VETO)


def test_what_is_missing_is_said_in_words() -> None:
    assert assess(filed(), FACTS, NOW).missing == ("legal", "one more reviewer")
    assert assess(approved(ANN), FACTS, NOW).missing == ("legal",)
    assert assess(cooling(), FACTS, NOW).missing == ()


def test_several_of_the_same_are_counted() -> None:
    tier = {
        "name": "all",
        "quorum": {"approvals": 4, "including": {"trust-safety": 2}},
        "cool_off": MINUTE,
        "open_for": MINUTE,
        "run_within": MINUTE,
    }
    facts = replace(FACTS, policy=policy(tiers=[tier]))
    assert assess(filed(facts), facts, NOW).missing == ("2 of trust-safety", "2 more reviewers")


def test_an_assessment_says_who_was_ignored_and_why() -> None:
    found = assess(cooling(), with_groups(legal=group()), NOW)
    assert [(i.by, i.why) for i in found.count.ignored] == [(LEE, "no longer in legal")]


@pytest.mark.parametrize(
    ("request_", "now", "phase", "acts"),
    [
        (filed(), NOW, Phase.OPEN, DECIDE),
        (cooling(), NOW, Phase.COOLING_OFF, DECIDE[1:]),
        (cooling(), ETA, Phase.READY, DECIDE[1:]),
        (executing(), ETA, Phase.EXECUTING, (Act.VETO,)),
        (unknown(), ETA, Phase.UNKNOWN, (Act.RESTORE, Act.SETTLE)),
        (executed(), ETA, Phase.EXECUTED, (Act.RESTORE,)),
        (executed(Outcome.ALREADY_OTHERS), ETA, Phase.EXECUTED, ()),
        (executed(Outcome.NOT_APPLIED), ETA, Phase.FAILED, ()),
    ],
)
def test_a_phase_allows_some_acts(
    request_: object, now: int, phase: Phase, acts: tuple[Act, ...]
) -> None:
    found = assess(request_, FACTS, now)  # type: ignore[arg-type]
    assert (found.phase, found.acts) == (phase, acts)


def test_what_was_restored_or_gave_access_back_is_not_restored() -> None:
    assert assess(executed(), replace(FACTS, undone_by="R-2"), ETA).acts == ()
    assert Act.RESTORE not in assess(executing(restoring(), AWAY, NOW), AWAY, NOW).acts


def test_each_person_sees_only_what_they_may_do() -> None:
    found = assess(approved(ANN), FACTS, NOW)
    assert may(found, AGENT, FACTS, NOW) == (Act.WITHDRAW,)
    assert may(found, ANN, FACTS, NOW) == (Act.RETRACT, Act.VETO)
    assert may(found, BOB, FACTS, NOW) == (Act.APPROVE, Act.VETO)
    assert may(found, LEE, FACTS, NOW) == (Act.APPROVE, Act.VETO)
    assert may(found, EVE, FACTS, NOW) == ()
    assert may(found, MANAGER, FACTS, NOW) == ()


def test_how_long_a_subject_was_away() -> None:
    assert assess(executed(), FACTS, ETA).away is None
    facts = replace(FACTS, undone_by="R-2", undone_at=ETA + 11 * MINUTE)
    assert assess(executed(), facts, ETA).away == 11 * MINUTE
    assert assess(unknown(), facts, ETA).away is None


# --- what holds it -------------------------------------------------------------------------------


def test_nothing_holds_what_can_go_on() -> None:
    assert assess(filed(), FACTS, NOW).holds == ()


def test_a_group_that_is_empty_or_cannot_be_read_holds_loudly() -> None:
    (held,) = assess(filed(), with_groups(ts=group(ANN, fresh=False)), NOW).holds
    assert "trust-safety could not be read" in held
    assert "a veto works" in held
    assert assess(filed(), with_groups(legal=group()), NOW).holds == ("nobody is in legal",)


def test_a_flaw_of_the_channel_holds_what_takes_access_away_and_nothing_else() -> None:
    flawed = replace(STANDARD, channel="the channel is archived")
    assert assess(filed(), flawed, NOW).holds == ("the channel is archived",)
    facts = replace(AWAY, channel="the channel is archived")
    for request in (restoring(), filed(AWAY, action=ActionKind.RESTORE)):
        assert assess(request, facts, NOW).holds == ()


def test_a_restore_by_one_click_needs_no_group() -> None:
    assert assess(restoring(), with_groups(AWAY, ts=group(fresh=False)), NOW).holds == ()


def test_what_a_start_waits_for_is_said_while_it_is_ready() -> None:
    facts = replace(FACTS, waiting="the card is not in Slack yet")
    assert assess(cooling(), facts, NOW).holds == ()
    assert assess(cooling(), facts, ETA).holds == ("the card is not in Slack yet",)


def test_nothing_holds_what_is_running_or_closed() -> None:
    facts = with_groups(replace(FACTS, channel="archived"), legal=group())
    for request in (executing(), unknown(), executed()):
        assert assess(request, facts, ETA).holds == ()
