"""Terms: what a request is asked for, and which of two sets of terms is the stricter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.core.actions import ACTIONS, ActionKind
from bot.core.duration import HOUR, MINUTE
from bot.core.policy import Policy
from bot.core.sealed import canonical
from bot.core.subject import AccountState, Snapshot, SubjectId
from bot.core.terms import Terms, restore_at_once, terms_for

NOW = 1_700_000_000_000

POLICY = Policy.model_validate_json(
    canonical(
        {
            "version": 1,
            "workspace": "T01TEST",
            "channels": {"review": "C02REV"},
            "people": {
                "agents": {"users": ["U01AGENT"]},
                "managers": {"users": ["U09MANAGER"]},
                "reviewers": {"ts": {"usergroup": "S01TS"}, "legal": {"users": ["U05LEGAL"]}},
            },
            "tiers": [
                {
                    "name": "large",
                    "when": {"followers_at_least": 1_000_000},
                    "quorum": {"approvals": 3, "including": {"ts": 2, "legal": 1}},
                    "cool_off": "30m",
                    "open_for": "24h",
                    "run_within": "2h",
                },
                {
                    "name": "standard",
                    "quorum": {"approvals": 1},
                    "cool_off": "5m",
                    "open_for": "8h",
                    "run_within": "1h",
                },
            ],
        }
    )
)


def account(**known: Any) -> Snapshot:
    return Snapshot(
        subject=SubjectId(platform="demo", id="a1"),
        handle="@a",
        at=NOW,
        state=AccountState.ACTIVE,
        **known,
    )


def terms(**changed: Any) -> Terms:
    usual: dict[str, Any] = {
        "tier": "t",
        "approvals": 1,
        "including": (),
        "cool_off": 10,
        "open_for": 100,
        "run_within": 50,
        "policy": "d",
        "why": "w",
    }
    return Terms(**(usual | changed))


def test_a_deactivation_gets_the_terms_of_its_tier() -> None:
    got = terms_for(POLICY, ActionKind.DEACTIVATE, account(followers=2_000_000), NOW, anchors=False)
    assert got == Terms(
        tier="large",
        approvals=3,
        including=(("legal", 1), ("ts", 2)),
        cool_off=30 * MINUTE,
        open_for=24 * HOUR,
        run_within=2 * HOUR,
        policy=POLICY.digest,
        why="matched large: at least 1,000,000 followers",
    )


def test_a_restore_takes_one_approval_and_no_cool_off() -> None:
    got = terms_for(POLICY, ActionKind.RESTORE, account(), NOW, anchors=True)
    assert (got.approvals, got.including, got.cool_off) == (1, (), 0)
    assert not got.strict
    assert (got.tier, got.open_for, got.run_within) == ("large", 24 * HOUR, 2 * HOUR)


def test_a_top_tier_is_strict_where_there_are_anchors() -> None:
    famous, obscure = account(followers=2_000_000), account(followers=1)
    for subject, anchors, strict in (
        (famous, True, True),
        (famous, False, False),
        (obscure, True, False),
    ):
        got = terms_for(POLICY, ActionKind.DEACTIVATE, subject, NOW, anchors)
        assert got.strict is strict


@pytest.mark.parametrize("strict", [True, False])
def test_what_the_policy_says_of_strictness_holds_with_and_without_anchors(strict: bool) -> None:
    one, two = POLICY.tiers
    tiers = (one.model_copy(update={"strict": strict}), two)
    said = POLICY.model_copy(update={"tiers": tiers})
    for anchors in (True, False):
        got = terms_for(said, ActionKind.DEACTIVATE, account(followers=2_000_000), NOW, anchors)
        assert got.strict is strict


def test_of_strict_and_not_strict_the_stricter_is_strict() -> None:
    assert terms(strict=True).stricter(terms()).strict
    assert terms().stricter(terms(strict=True)).strict
    assert terms(strict=True).is_stricter_than(terms())
    assert not terms().is_stricter_than(terms(strict=True))


def test_a_restore_at_once_takes_the_click_alone() -> None:
    got = restore_at_once(POLICY, account(followers=1), NOW)
    assert (got.approvals, got.including, got.cool_off) == (0, (), 0)
    assert (got.tier, got.open_for, got.run_within) == ("standard", 8 * HOUR, HOUR)


@pytest.mark.parametrize("kind", [k for k, a in ACTIONS.items() if a.restrictive])
def test_a_restrictive_action_never_has_fewer_than_two_people_in_it(kind: ActionKind) -> None:
    one, two = POLICY.tiers
    nobody = one.quorum.model_copy(update={"approvals": 0, "including": {}})
    # past every validator, as no file and no ledger can bring it
    broken = POLICY.model_copy(update={"tiers": (one.model_copy(update={"quorum": nobody}), two)})
    with pytest.raises(AssertionError):
        terms_for(broken, kind, account(), NOW, anchors=True)


def test_two_approvals_make_a_top_tier() -> None:
    assert terms(approvals=2).is_top
    assert not terms(approvals=1).is_top


def test_terms_that_ask_groups_for_more_than_all_are_refused() -> None:
    with pytest.raises(ValidationError, match="from groups than in all"):
        terms(including=(("legal", 2),))


def test_groups_are_kept_in_order() -> None:
    got = terms(approvals=2, including=(("ts", 1), ("legal", 1)))
    assert got.including == (("legal", 1), ("ts", 1))


def test_terms_come_back_from_their_canonical_form() -> None:
    got = terms(approvals=2, including=(("legal", 1),))
    assert Terms.model_validate_json(canonical(got)) == got


def test_only_the_numbers_make_terms_the_same() -> None:
    assert terms().same_as(terms(tier="u", policy="e", why="v"))
    assert not terms().same_as(terms(cool_off=11))


def test_of_each_term_the_stricter_is_taken_and_the_newer_gives_the_words() -> None:
    old = terms(tier="old", approvals=2, including=(("legal", 1),), cool_off=10, open_for=100)
    new = terms(tier="new", approvals=1, including=(("ts", 1),), cool_off=20, run_within=40)
    assert old.stricter(new) == terms(
        tier="new",
        approvals=2,
        including=(("legal", 1), ("ts", 1)),
        cool_off=20,
        open_for=100,
        run_within=40,
    )


def test_approvals_make_room_for_every_group_asked() -> None:
    old = terms(approvals=2, including=(("legal", 2),))
    new = terms(approvals=2, including=(("legal", 1), ("ts", 1)))
    assert old.stricter(new).approvals == 3


def test_terms_stricter_in_everything_are_taken_whole() -> None:
    strict, lax = terms(tier="strict", cool_off=20), terms(tier="lax")
    assert strict.stricter(lax) is strict
    assert lax.stricter(strict) == strict


def test_of_the_same_terms_the_newer_ones_are_taken() -> None:
    assert terms(tier="old").stricter(terms(tier="new")).tier == "new"


@pytest.mark.parametrize(
    "changed",
    [
        {"approvals": 2},
        {"approvals": 1, "including": (("legal", 1),)},
        {"cool_off": 11},
        {"run_within": 49},
    ],
)
def test_one_stricter_term_makes_terms_stricter(changed: dict[str, Any]) -> None:
    assert terms(**changed).is_stricter_than(terms())
    assert not terms().is_stricter_than(terms(**changed))


def test_less_time_to_reach_a_quorum_makes_no_terms_stricter() -> None:
    assert not terms(open_for=99).is_stricter_than(terms())


def test_terms_can_each_be_stricter_than_the_other() -> None:
    a, b = terms(approvals=2), terms(cool_off=20)
    assert a.is_stricter_than(b)
    assert b.is_stricter_than(a)


@st.composite
def some_terms(draw: st.DrawFn) -> Terms:
    including = draw(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 2)))
    small = st.integers(0, 3)
    return terms(
        approvals=sum(including.values()) + draw(small),
        including=tuple(including.items()),
        cool_off=draw(small),
        open_for=draw(small),
        run_within=draw(small),
    )


@given(some_terms(), some_terms())
def test_the_stricter_terms_are_at_least_as_strict_as_both(a: Terms, b: Terms) -> None:
    merged = a.stricter(b)
    assert not a.is_stricter_than(merged)
    assert not b.is_stricter_than(merged)
    assert merged.same_as(b.stricter(a))
    assert Terms.model_validate_json(canonical(merged)) == merged


@given(some_terms())
def test_no_terms_are_stricter_than_themselves(a: Terms) -> None:
    assert not a.is_stricter_than(a)
