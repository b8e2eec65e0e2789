"""What has to be done outside because of an event, and when a request is looked at again."""

from dataclasses import replace

import pytest

from bot.core.commands import (
    AdoptPolicy,
    Command,
    Erase,
    EraseQueries,
    Expire,
    NothingHappened,
    Query,
    Recheck,
    Refusal,
    Retract,
    Start,
    Unclear,
    Unmask,
    Veto,
    Withdraw,
)
from bot.core.decide import decide
from bot.core.effects import LONGEST_PAUSE, Effect, Urgency, effects, next_due, urgency
from bot.core.events import Exported, RequestEvent
from bot.core.facts import Facts
from bot.core.request import Request, evolve

from .build import (
    AGENT,
    ANN,
    BOB,
    DAY,
    ETA,
    FACTS,
    LEE,
    MANAGER,
    NOW,
    RUN_BY,
    SECOND,
    STANDARD,
    after,
    approve,
    approved,
    cooling,
    executed,
    executing,
    exported,
    file,
    filed,
    policy,
    record,
    restoring,
    seen,
    snapshot,
    unknown,
)

CARD, THREAD = Effect("card"), Effect("thread")
TELL = Effect("direct", AGENT)
RENAMED = replace(FACTS, subject=snapshot(handle="@vice"))


def led_to(
    request: Request | None, command: Command, facts: Facts = FACTS, now: int = NOW
) -> list[tuple[Effect, ...]]:
    """The effects of each event of `command`, without the card's and the thread's."""
    found = []
    for event in decide(request, command, facts, now):
        assert isinstance(event, RequestEvent)
        request = evolve(request, event)
        card, thread, *others = effects(request, event)
        assert (card, thread) == (CARD, THREAD)
        found.append(tuple(others))
    return found


def test_every_event_of_a_request_is_told_on_its_card_and_in_its_thread() -> None:
    assert led_to(None, file()) == [()]
    assert led_to(cooling(), Retract(ANN, "R-1")) == [(), ()]
    assert led_to(executing(), record(executing(), NothingHappened("refused")), now=ETA) == [()]


def test_only_an_order_is_carried_out() -> None:
    assert led_to(cooling(), Start("R-1"), now=ETA) == [(Effect("execute"),)]


@pytest.mark.parametrize(
    ("request_", "command", "facts", "now"),
    [
        (filed(), Veto(BOB, "R-1", "No."), FACTS, NOW),
        (filed(), Withdraw(AGENT, "R-1"), FACTS, NOW),
        (filed(), Expire("R-1"), FACTS, NOW + DAY),
        (cooling(), Recheck("R-1"), RENAMED, NOW),
        (cooling(), Recheck("R-1"), replace(FACTS, agents=type(FACTS.agents)()), NOW),
        (executing(), record(executing(), seen()), FACTS, ETA),
        (executing(), record(executing(), Refusal("an administrator")), FACTS, ETA),
        (executing(), record(executing(), Unclear("it timed out")), FACTS, ETA),
    ],
)
def test_the_requester_is_told_how_it_ends_and_when_it_begins_anew(
    request_: Request, command: Command, facts: Facts, now: int
) -> None:
    assert led_to(request_, command, facts, now) == [(TELL,)]


def test_an_approver_is_told_that_the_click_counted() -> None:
    assert led_to(filed(), approve(filed(), ANN)) == [(Effect("direct", ANN),)]


def test_in_the_top_tier_the_cool_off_reaches_every_other_reviewer() -> None:
    request = approved(ANN)
    _, told = led_to(request, approve(request, LEE))
    assert told == tuple(Effect("direct", p) for p in (ANN, BOB, LEE))
    request = filed(STANDARD)
    assert led_to(request, approve(request, ANN), STANDARD)[1] == ()


def test_a_requester_who_reviews_gets_no_button_to_veto_by() -> None:
    groups = {**FACTS.groups, "trust-safety": type(FACTS.agents)(frozenset({AGENT, ANN}))}
    facts = replace(FACTS, groups=groups)
    request = approved(ANN, facts=facts)
    _, told = led_to(request, approve(request, LEE), facts)
    assert told == (Effect("direct", ANN), Effect("direct", LEE))


def test_a_query_is_told_to_nobody_and_a_policy_to_the_channel() -> None:
    (queried,) = decide(None, Query(MANAGER, "stats", 0), FACTS, NOW)
    assert effects(None, queried) == ()
    (erased,) = decide(None, EraseQueries("host:dpo", (3,), "Art. 17"), FACTS, NOW)
    assert effects(None, erased) == ()
    (adopted,) = decide(None, AdoptPolicy(policy()), FACTS, NOW)
    assert effects(None, adopted) == (Effect("channel"),)


def test_an_erasure_changes_what_was_told_and_tells_nobody_more() -> None:
    request = executed()
    (erased,) = decide(request, Erase("host:dpo", "R-1", "Art. 17"), FACTS, ETA + DAY)
    assert effects(after(request, Erase("host:dpo", "R-1", "Art. 17"), now=ETA + DAY), erased) == (
        CARD,
        Effect("retell"),
    )


def test_a_file_that_was_asked_for_is_made_and_then_sent_to_who_asked() -> None:
    (asked,) = decide(None, Query(MANAGER, "export", 0, export=True), FACTS, NOW)
    assert effects(None, asked) == (Effect("export", MANAGER),)
    (made,) = decide(None, exported(MANAGER), FACTS, NOW)
    assert effects(None, made) == (Effect("file", MANAGER),)


def test_on_the_machine_nothing_of_an_export_is_sent() -> None:
    (made,) = decide(None, exported("host:root", (("reviewer-1", ANN),)), FACTS, NOW)
    assert isinstance(made, Exported)
    assert effects(None, made) == ()
    unmask = Unmask("host:root", 7, "reviewer-1", "A complaint.")
    (unmasked,) = decide(None, unmask, replace(FACTS, exported=made), NOW)
    assert effects(None, unmasked) == ()


# --- when somebody has to look again -----------------------------------------------------------


def test_an_open_request_is_due_at_its_deadline_and_a_cooling_one_at_its_eta() -> None:
    assert next_due(filed(), NOW) == NOW + DAY
    assert next_due(cooling(), NOW) == ETA


def test_what_is_closed_or_under_way_is_never_due_and_what_is_unknown_at_once() -> None:
    assert next_due(executed(), ETA) is None
    assert next_due(executing(), ETA) is None
    assert next_due(unknown(), ETA + 5) == ETA + 5
    assert next_due(restoring(), NOW) == NOW


def test_attempts_that_come_to_nothing_are_made_ever_more_seldom() -> None:
    request, pauses, now = cooling(), [], ETA
    for _ in range(20):
        request = after(request, Start("R-1"), now=now)
        request = after(request, record(request, NothingHappened("refused")), now=now)
        due = next_due(request, now)
        assert due is not None
        pauses.append(due - now)
        now = min(due, RUN_BY - 1)
    assert pauses[:7] == [s * SECOND for s in (1, 2, 4, 8, 16, 32, 60)]
    assert set(pauses[7:]) == {LONGEST_PAUSE}


@pytest.mark.parametrize(
    ("request_", "command", "expected"),
    [
        (None, file(), [Urgency.CARD, Urgency.FILED]),
        (filed(), approve(filed(), ANN), [Urgency.NEWS]),
        (cooling(), Start("R-1"), [Urgency.DECIDED, Urgency.DECIDED, Urgency.ORDER]),
        (cooling(), Veto(BOB, "R-1", "No."), [Urgency.DECIDED]),
    ],
)
def test_what_is_decided_is_told_before_what_is_new(
    request_: Request | None, command: Command, expected: list[Urgency]
) -> None:
    now = NOW if not isinstance(command, Start) else ETA
    event = decide(request_, command, FACTS, now)[0]
    assert isinstance(event, RequestEvent)
    urgent = [urgency(one, event) for one in effects(evolve(request_, event), event)]
    assert urgent[: len(expected)] == expected
