"""Who counts: distinct people in the places that the terms ask for."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.commands import Start
from bot.core.facts import Facts
from bot.core.quorum import ANYBODY, Ignored, assign, count, one_person, persons
from bot.core.request import Request
from bot.core.sealed import Sealed

from .build import (
    AGENT,
    ANN,
    BOB,
    ETA,
    FACTS,
    LEE,
    STANDARD,
    after,
    approve,
    approved,
    cooling,
    filed,
    group,
    kinds,
    sharing,
    with_groups,
    with_person,
)


def ignored(request: Request, facts: Facts = FACTS) -> dict[str, str]:
    return {i.by: i.why for i in count(request, facts).ignored}


# --- places ------------------------------------------------------------------------------------


def test_the_required_group_has_to_be_among_the_approvals() -> None:
    assert count(filed(), FACTS).missing == ("legal", ANYBODY)
    assert count(approved(ANN), FACTS).missing == ("legal",)
    assert count(approved(ANN, BOB), FACTS).missing == ("legal",)
    assert count(approved(LEE), FACTS).missing == (ANYBODY,)
    assert count(approved(ANN, LEE), FACTS).reached
    assert count(approved(LEE, ANN), FACTS).counted == (LEE, ANN)


def test_more_approvals_than_places_do_no_harm() -> None:
    found = count(approved(ANN, BOB, LEE), FACTS)
    assert found.reached
    assert LEE in found.counted
    assert found.ignored == ()


def test_one_person_in_two_groups_fills_one_place() -> None:
    both = with_groups(ts=group(ANN, LEE), legal=group(LEE))
    assert count(approved(LEE, facts=both), both).missing == (ANYBODY,)
    assert count(approved(LEE, ANN, facts=both), both).reached


def test_whoever_fits_two_places_leaves_the_one_that_another_needs() -> None:
    both = with_groups(ts=group(ANN), legal=group(ANN, LEE))
    places = ["trust-safety", "legal"]
    able = {ANN: both.groups_of(ANN), LEE: both.groups_of(LEE)}
    for people in permutations(able):
        filled = assign(places, {p: able[p] for p in people})
        assert filled == {0: ANN, 1: LEE}


GROUPS = st.frozensets(st.sampled_from("abc"), min_size=1)


@given(
    st.lists(st.sampled_from(["a", "b", "c", ANYBODY]), max_size=4),
    st.dictionaries(st.sampled_from("PQRST"), GROUPS, max_size=5),
)
def test_as_many_places_are_filled_as_any_order_of_people_could(
    places: list[str], able: dict[str, frozenset[str]]
) -> None:
    filled = assign(places, able)
    assert len(set(filled.values())) == len(filled)
    assert all(places[i] in (ANYBODY, *able[p]) for i, p in filled.items())
    people = [*able, *[None] * len(places)]
    best = max(
        sum(
            p is not None and place in (ANYBODY, *able[p])
            for place, p in zip(places, seated, strict=True)
        )
        for seated in permutations(people, len(places))
    )
    assert len(filled) == best


# --- one person --------------------------------------------------------------------------------


def test_accounts_that_share_an_address_are_one_person() -> None:
    facts = sharing(FACTS, "email:x@example.org", ANN, LEE)
    request = cooling()  # the address came to light afterwards
    assert ignored(request, facts) == {LEE: "the same person as somebody who already counts"}
    assert count(request, facts).missing == ("legal",)


def test_accounts_that_a_third_links_are_one_person() -> None:
    same = one_person(
        {
            "A": frozenset({"email:1"}),
            "B": frozenset({"grid:2"}),
            "C": frozenset({"email:1", "grid:2"}),
            "D": frozenset(),
            "E": frozenset(),
        }
    )
    assert same == {"A": "A", "B": "A", "C": "A", "D": "D", "E": "E"}


def test_a_third_account_that_approves_links_two_others() -> None:
    facts = sharing(sharing(FACTS, "email:1", ANN, BOB), "grid:2", BOB, LEE)
    request = approved(ANN, BOB, LEE)
    assert set(ignored(request, facts)) == {BOB, LEE}


KEYS = st.frozensets(st.integers(0, 5).map(str), max_size=3)


@given(st.dictionaries(st.sampled_from("PQRSTU"), KEYS))
def test_people_are_the_connected_accounts_each_under_the_first(
    accounts: dict[str, frozenset[str]],
) -> None:
    same = one_person(accounts)
    order = list(accounts)
    for a in accounts:
        reached = {a}
        while more := {
            b for b in accounts for c in reached if b not in reached and accounts[b] & accounts[c]
        }:
            reached |= more
        assert {b for b in accounts if same[b] == same[a]} == reached
        assert same[a] == min(reached, key=order.index)


def test_changing_an_address_after_approving_splits_nobody() -> None:
    then = with_person(ANN, identity=frozenset({"email:old@example.org"}))
    request = approved(ANN, facts=then)
    now = with_person(ANN, identity=frozenset({"email:new@example.org"}))
    now = with_person(LEE, now, identity=frozenset({"email:old@example.org"}))
    same = persons(request, now, [LEE])
    assert same[LEE] == same[ANN]


def test_the_requester_who_changes_an_address_is_still_the_requester() -> None:
    then = sharing(FACTS, "email:a@example.org", AGENT)
    request = filed(then)
    now = sharing(FACTS, "email:a@example.org", LEE)
    assert ignored(approved(ANN, LEE, request=request), now) == {
        LEE: "the same person as the requester"
    }


def test_an_erased_identity_leaves_todays() -> None:
    request = filed(sharing(FACTS, "email:old", AGENT))
    erased = Sealed(commitment=request.identity.commitment, salt=None, value=None)
    request = replace(request, identity=erased)
    assert persons(request, sharing(FACTS, "email:old", LEE), [LEE])[LEE] == LEE
    assert persons(request, sharing(FACTS, "email:new", AGENT, LEE), [LEE])[LEE] == AGENT


# --- why an approval does not count --------------------------------------------------------------


def test_an_approval_counts_only_for_the_facts_it_was_given_on() -> None:
    request = cooling()
    stale = tuple(replace(a, digest="0" * 64) for a in request.approvals)
    assert ignored(replace(request, approvals=stale))[ANN] == "given for other facts"


def test_an_approver_who_cannot_be_read_does_not_count_now() -> None:
    assert ignored(cooling(), with_person(ANN, unread=True)) == {
        ANN: "Slack cannot be asked who they are"
    }


def test_an_approver_of_another_organisation_does_not_count() -> None:
    assert ignored(cooling(), with_person(ANN, team="T9")) == {ANN: "in another organisation"}


def test_a_deleted_approver_does_not_count() -> None:
    assert ignored(cooling(), with_person(ANN, flaw="deleted")) == {ANN: "deleted"}


def test_a_group_that_cannot_be_read_counts_for_nobody() -> None:
    facts = with_groups(ts=group(ANN, fresh=False))
    assert ignored(cooling(), facts) == {ANN: "the members of trust-safety could not be read"}
    assert ANN not in count(cooling(), facts).counted


def test_whoever_left_the_group_does_not_count_and_counts_again_on_return() -> None:
    assert ignored(cooling(), with_groups(legal=group())) == {LEE: "no longer in legal"}
    assert count(cooling(), FACTS).reached


def test_whoever_was_in_no_group_at_filing_does_not_count_whatever_happened_since() -> None:
    nobody = with_groups(ts=group(), legal=group(LEE))
    request = replace(cooling(), electorate=filed(nobody).electorate)
    assert ignored(request) == {ANN: "no longer in a reviewers’ group"}


def test_an_approval_counts_only_for_groups_held_at_filing_at_the_click_and_now() -> None:
    every = with_groups(ts=group(ANN, BOB), legal=group(ANN, LEE))
    without = FACTS
    for at_filing, at_click, now in (
        (every, every, without),
        (every, without, every),
        (without, every, every),
    ):
        request = filed(at_filing)
        request = after(request, approve(request, ANN), facts=at_click)
        request = after(request, approve(request, BOB), facts=now)
        assert count(request, now).missing == ("legal",)
    assert count(approved(ANN, BOB, facts=every), every).reached


def test_a_group_that_the_policy_dropped_counts_for_nobody() -> None:
    dropped = replace(FACTS, groups={"trust-safety": group(ANN, BOB)})
    assert ignored(cooling(), dropped) == {LEE: "no longer in legal"}


def test_nothing_starts_on_two_accounts_of_one_person() -> None:
    request = approved(ANN, LEE)
    facts = sharing(FACTS, "roster:17", ANN, LEE)
    assert kinds(request, Start("R-1"), facts, ETA) == ["Reopened"]


def test_the_standard_tier_asks_for_one_reviewer_of_any_group() -> None:
    for by in (ANN, LEE):
        assert count(approved(by, facts=STANDARD), STANDARD).counted == (by,)


def test_ignored_says_who_and_why() -> None:
    assert count(cooling(), with_groups(legal=group())).ignored == (
        Ignored(LEE, "no longer in legal"),
    )
