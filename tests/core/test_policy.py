"""The policy: durations, conditions, what holds together, what changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bot.core.actions import ActionKind
from bot.core.condition import Case, Condition, Finding, in_words, judge
from bot.core.duration import BY_HAND, DAY, HOUR, LONGEST, MINUTE, Duration, milliseconds, spelled
from bot.core.policy import Policy, Tier, changes, flaws
from bot.core.sealed import canonical
from bot.core.subject import AccountState, Snapshot, SubjectId

NOW = 1_700_000_000_000

PEOPLE: dict[str, Any] = {
    "agents": {"users": ["U01AGENT"]},
    "managers": {"users": ["U09MANAGER"]},
    "reviewers": {"trust-safety": {"usergroup": "S01TS"}, "legal": {"users": ["U05LEGAL"]}},
}


def tier(name: str = "standard", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "quorum": {"approvals": 1},
        "cool_off": 5 * MINUTE,
        "open_for": 8 * HOUR,
        "run_within": HOUR,
        **changed,
    }


def top(**changed: Any) -> dict[str, Any]:
    usual = {
        "when": {"any": [{"tag": "public-office"}, {"followers_at_least": 1_000_000}]},
        "quorum": {"approvals": 2, "including": {"legal": 1}},
        "cool_off": 30 * MINUTE,
    }
    return tier("public-office", **(usual | changed))


def policy(**changed: Any) -> Policy:
    said: dict[str, Any] = {
        "version": 1,
        "workspace": "T01TEST",
        "channels": {"review": "C02REV"},
        "people": PEOPLE,
        "subjects": {"demo:a1": {"tags": ["public-office"]}, "b2": {"tags": ["press"]}},
        "tiers": [top(), tier()],
        **changed,
    }
    return Policy.model_validate_json(canonical(said))


def snapshot(id: str = "x9", platform: str = "demo", **known: Any) -> Snapshot:
    return Snapshot(
        subject=SubjectId(platform=platform, id=id),
        handle="@x",
        at=NOW,
        state=AccountState.ACTIVE,
        **known,
    )


def when(**said: Any) -> Condition:
    return Condition.model_validate_json(canonical(said))


def found(condition: Condition, tags: tuple[str, ...] = (), **known: Any) -> Finding:
    case = Case(ActionKind.DEACTIVATE, snapshot(**known), frozenset(tags), NOW)
    return judge(condition, case)


# Durations


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", 90_000),
        ("30m", 30 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("24h", DAY),
        ("2d", 2 * DAY),
        ("PT1H30M", 90 * MINUTE),
        ("P2D", 2 * DAY),
        ("P1DT12H", 36 * HOUR),
        ("PT90S", 90_000),
    ],
)
def test_a_duration_is_read_as_milliseconds(text: str, length: int) -> None:
    assert milliseconds(text) == length


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("30", "not a duration"),
        ("", "not a duration"),
        ("30 m", "not a duration"),
        ("30m1h", "not a duration"),
        ("1.5h", "not a duration"),
        ("P", "not a duration"),
        ("PT", "not a duration"),
        ("P1DT", "not a duration"),
        ("P1M", "not a duration"),
        ("P1Y", "not a duration"),
        ("١m", "not a duration"),
        ("9" * 5000 + "s", "not a duration"),
        ("-30m", "negative"),
        ("-PT1H", "negative"),
        ("0s", "no time"),
        ("3651d", "ten years"),
    ],
)
def test_what_is_not_a_duration_is_refused_with_a_remedy(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as refused:
        milliseconds(text)
    assert "Write " in str(refused.value)


@given(st.integers(1, LONGEST // 1000))
def test_the_short_and_the_iso_form_say_the_same(seconds: int) -> None:
    minutes, s = divmod(seconds, 60)
    h, m = divmod(minutes, 60)
    assert milliseconds(f"{h}h{m}m{s}s") == milliseconds(f"PT{h}H{m}M{s}S") == seconds * 1000


@given(st.integers(1, LONGEST // 1000))
def test_a_duration_is_spelled_without_loss(seconds: int) -> None:
    text = spelled(seconds * 1000).replace(" min", "m").replace(" ", "")
    assert milliseconds(text) == seconds * 1000


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (90_000, "1 min 30 s"),
        (DAY, "24 h"),
        (2 * DAY, "2 d"),
        (90 * MINUTE, "1 h 30 min"),
        (0, "none"),
    ],
)
def test_a_duration_is_spelled_for_people(length: int, words: str) -> None:
    assert spelled(length) == words


def test_a_bare_number_is_milliseconds_among_machines_and_refused_by_hand() -> None:
    duration: TypeAdapter[int] = TypeAdapter(Duration)
    assert duration.validate_python(300_000) == 300_000
    assert duration.validate_python("5m", context=BY_HAND) == 300_000
    with pytest.raises(ValidationError, match="has a unit"):
        duration.validate_python(300_000, context=BY_HAND)
    with pytest.raises(ValidationError):
        duration.validate_python(0)


# Conditions


@pytest.mark.parametrize(
    ("condition", "known", "holds", "why"),
    [
        (when(verified=True), {"verified": True}, True, "verified"),
        (when(verified=True), {"verified": False}, False, "not verified"),
        (when(verified=False), {"verified": False}, True, "not verified"),
        (when(verified=False), {"verified": True}, False, "verified"),
        (when(verified=True), {}, None, "verification unknown"),
        (when(followers_at_least=1000), {"followers": 1000}, True, "at least 1,000 followers"),
        (when(followers_at_least=1000), {"followers": 999}, False, "fewer than 1,000 followers"),
        (when(followers_at_least=1000), {}, None, "followers unknown"),
        (when(account_age_below="2d"), {"created_at": NOW - DAY}, True, "account younger than 2 d"),
        (
            when(account_age_below="2d"),
            {"created_at": NOW - 2 * DAY},
            False,
            "account at least 2 d old",
        ),
        (when(account_age_below="2d"), {}, None, "account age unknown"),
        (when(platform_role="admin"), {"roles": frozenset({"admin"})}, True, "platform role admin"),
        (when(platform_role="admin"), {"roles": frozenset()}, False, "no platform role admin"),
        (when(platform_role="admin"), {}, None, "platform roles unknown"),
        (when(platform="demo"), {}, True, "platform demo"),
        (when(platform="synapse"), {}, False, "another platform than synapse"),
        (when(action="deactivate"), {}, True, "action deactivate"),
        (when(action="restore"), {}, False, "another action than restore"),
    ],
)
def test_a_condition_is_judged_and_says_why(
    condition: Condition, known: dict[str, Any], holds: bool | None, why: str
) -> None:
    assert found(condition, **known) == (holds, why)


def test_a_tag_is_always_known() -> None:
    assert found(when(tag="press"), tags=("press",)) == (True, "tag press")
    assert found(when(tag="press")) == (False, "no tag press")


def test_several_keys_all_have_to_hold() -> None:
    both = when(tag="press", verified=True)
    assert found(both, tags=("press",), verified=True) == (True, "tag press and verified")
    assert found(both, tags=("press",), verified=False) == (False, "not verified")
    assert found(both, tags=("press",)) == (None, "verification unknown")


def test_a_reason_that_two_branches_share_is_said_once() -> None:
    twice = when(all=[{"verified": True}, {"any": [{"verified": True}, {"tag": "press"}]}])
    assert found(twice, verified=True).why == "verified"


TRUTHS = st.sampled_from([True, False, None])


def said(value: bool | None) -> dict[str, Any]:
    """A condition that comes out as `value` for an account with 5 followers, all else unknown."""
    if value is None:
        return {"verified": True}
    return {"followers_at_least": 5 if value else 6}


def value(condition: dict[str, Any]) -> bool | None:
    return found(when(**condition), followers=5).holds


@given(st.lists(TRUTHS, min_size=1, max_size=4))
def test_any_and_all_are_kleenes_or_and_and(values: list[bool | None]) -> None:
    rank = {False: 0, None: 1, True: 2}
    parts = [said(v) for v in values]
    assert value({"any": parts}) is max(values, key=rank.__getitem__)
    assert value({"all": parts}) is min(values, key=rank.__getitem__)


@given(st.lists(TRUTHS, min_size=1, max_size=4))
def test_de_morgans_laws_hold(values: list[bool | None]) -> None:
    parts = [said(v) for v in values]
    opposite = [{"not": p} for p in parts]
    assert value({"not": {"any": parts}}) is value({"all": opposite})
    assert value({"not": {"all": parts}}) is value({"any": opposite})


@given(TRUTHS)
def test_not_turns_round_what_is_known_and_leaves_what_is_not(v: bool | None) -> None:
    assert value({"not": said(v)}) is (None if v is None else not v)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (when(tag="a"), "tag a"),
        (when(any=[{"tag": "a"}]), "tag a"),
        (when(any=[{"tag": "a"}, {"tag": "b"}]), "tag a or tag b"),
        (when(all=[{"tag": "a"}, {"tag": "b"}]), "tag a and tag b"),
        (
            when(tag="a", any=[{"tag": "b"}, {"tag": "c", "verified": True}]),
            "tag a and (tag b or (tag c and verified))",
        ),
        (when(**{"not": {"any": [{"tag": "a"}, {"tag": "b"}]}}), "not (tag a or tag b)"),
        (
            when(
                all=[{"any": [{"tag": "a"}, {"tag": "b"}]}, {"any": [{"tag": "c"}, {"tag": "d"}]}]
            ),
            "(tag a or tag b) and (tag c or tag d)",
        ),
    ],
)
def test_a_condition_reads_as_a_clause(condition: Condition, words: str) -> None:
    assert in_words(condition) == words


def test_an_empty_condition_is_refused() -> None:
    nothing: list[dict[str, Any]] = [{}, {"any": []}, {"all": []}, {"not": {}}]
    for empty in nothing:
        with pytest.raises(ValidationError):
            when(**empty)


# Which tier


def test_the_first_tier_that_matches_is_taken_and_says_why() -> None:
    assert tier_and_why(snapshot("a1")) == (
        "public-office",
        "matched public-office: tag public-office",
    )


def test_the_last_tier_is_for_the_rest() -> None:
    assert tier_and_why(snapshot(followers=3)) == (
        "standard",
        "matched standard: no stricter tier applies",
    )


def test_a_doubt_takes_the_stricter_tier_and_says_so() -> None:
    assert tier_and_why(snapshot()) == (
        "public-office",
        "matched public-office: followers unknown, so the stricter tier",
    )


def test_the_subjects_own_numbers_are_not_in_the_reason() -> None:
    assert tier_and_why(snapshot(followers=1_234_567))[1] == (
        "matched public-office: at least 1,000,000 followers"
    )


def test_a_policy_may_have_one_tier_only() -> None:
    name, why = tier_and_why(snapshot(), policy(tiers=[tier()]))
    assert (name, why) == ("standard", "matched standard: the only tier")


def tier_and_why(subject: Snapshot, by: Policy | None = None) -> tuple[str, str]:
    chosen, why = (by or policy()).tier_for(ActionKind.DEACTIVATE, subject, NOW)
    return chosen.name, why


def test_a_subject_is_tagged_by_platform_and_id_or_by_its_id_alone() -> None:
    p = policy()
    assert p.tags_of(SubjectId(platform="demo", id="a1")) == {"public-office"}
    assert p.tags_of(SubjectId(platform="synapse", id="a1")) == frozenset()
    assert p.tags_of(SubjectId(platform="synapse", id="b2")) == {"press"}


def test_a_subject_tagged_both_ways_has_all_the_tags() -> None:
    p = policy(subjects={"demo:a1": {"tags": ["x"]}, "a1": {"tags": ["y"]}})
    assert p.tags_of(SubjectId(platform="demo", id="a1")) == {"x", "y"}


# What holds together


def refusal(**changed: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        policy(**changed)
    return str(refused.value)


def test_a_quorum_below_one_is_refused() -> None:
    assert "approvals" in refusal(tiers=[tier(quorum={"approvals": 0})])


def test_a_cool_off_of_nothing_is_refused() -> None:
    assert "cool_off" in refusal(tiers=[tier(cool_off=0)])


def test_a_group_is_either_users_or_a_user_group() -> None:
    both = {"users": ["U05LEGAL"], "usergroup": "S01TS"}
    broken: list[dict[str, Any]] = [{}, both, {"users": []}]
    for wrong in broken:
        assert "agents" in refusal(people=PEOPLE | {"agents": wrong})


def test_the_last_tier_has_no_when() -> None:
    assert "the last tier, public-office, has a `when`" in refusal(tiers=[top()])


def test_every_tier_but_the_last_has_a_when() -> None:
    assert "a has no `when`" in refusal(tiers=[tier("a"), tier("b")])


def test_two_tiers_of_one_name_are_refused() -> None:
    assert "second tier is called a" in refusal(tiers=[tier("a", when={"tag": "x"}), tier("a")])


def test_a_tier_with_fewer_approvals_than_a_later_one_is_refused() -> None:
    tiers = [tier("a", when={"tag": "x"}), tier("b", quorum={"approvals": 2})]
    assert "fewer approvals (1) than b after it (2)" in refusal(tiers=tiers)


def test_a_tier_with_a_shorter_cool_off_than_a_later_one_is_refused() -> None:
    tiers = [tier("a", when={"tag": "x"}), tier("b", cool_off=HOUR)]
    assert "shorter cool-off (5 min) than b after it (1 h)" in refusal(tiers=tiers)


def test_more_approvals_from_groups_than_in_all_are_refused() -> None:
    quorum = {"approvals": 1, "including": {"legal": 1, "trust-safety": 1}}
    assert "nobody can satisfy 1 approvals that include 2" in refusal(tiers=[tier(quorum=quorum)])


def test_an_unknown_group_in_including_is_refused() -> None:
    quorum = {"approvals": 1, "including": {"press": 1}}
    assert "no group of reviewers called press" in refusal(tiers=[tier(quorum=quorum)])


def test_a_tier_that_asks_for_more_people_than_a_group_has_is_refused() -> None:
    quorum = {"approvals": 2, "including": {"legal": 2}}
    assert "too few distinct people" in refusal(tiers=[tier(quorum=quorum)])


def test_one_person_in_two_groups_fills_one_place() -> None:
    both = {"a": {"users": ["UAA"]}, "b": {"users": ["UAA"]}, "c": {"usergroup": "S01TS"}}
    quorum = {"approvals": 2, "including": {"a": 1, "b": 1}}
    people = PEOPLE | {"reviewers": both}
    assert "too few distinct people" in refusal(people=people, tiers=[tier(quorum=quorum)])


def test_people_are_placed_so_that_as_many_places_as_can_be_are_filled() -> None:
    groups = {
        "a": {"users": ["UAA", "UBB"]},
        "b": {"users": ["UAA"]},
        "c": {"users": ["UBB", "UCC"]},
    }
    quorum = {"approvals": 3, "including": {"a": 1, "b": 1, "c": 1}}
    assert policy(people=PEOPLE | {"reviewers": groups}, tiers=[tier(quorum=quorum)])


def test_a_tier_that_asks_for_more_people_than_there_are_reviewers_is_refused() -> None:
    people = PEOPLE | {"reviewers": {"a": {"users": ["UAA"]}, "b": {"users": ["UAA"]}}}
    text = refusal(people=people, tiers=[tier(quorum={"approvals": 2})])
    assert "asks for 2 approvals and there are 1 reviewers" in text


def test_how_many_are_in_a_user_group_is_not_guessed() -> None:
    quorum = {"approvals": 9, "including": {"trust-safety": 9}}
    assert policy(tiers=[tier(quorum=quorum)])


def test_parts_that_could_not_be_read_are_passed_over() -> None:
    good = Tier.model_validate_json(canonical(tier("a", when={"tag": "x"})))
    assert flaws(None, [None, good, None]) == []
    assert flaws(policy().people, [None]) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"workspace": "X01"},
        {"channels": {"review": "U01"}},
        {"people": PEOPLE | {"agents": {"users": ["S01TS"]}}},
        {"people": PEOPLE | {"agents": {"usergroup": "U01"}}},
        {"people": PEOPLE | {"reviewers": {}}},
        {"subjects": {"a": {"tags": []}}},
        {"subjects": {" a": {"tags": ["x"]}}},
        {"tiers": []},
        {"tires": []},
    ],
)
def test_what_has_the_wrong_form_is_refused(changed: dict[str, Any]) -> None:
    assert refusal(**changed)


# The digest, and what changed


def test_a_policy_comes_back_from_its_canonical_form_with_the_same_digest() -> None:
    p = policy(tiers=[top(when={"not": {"tag": "x"}}), tier()])
    again = Policy.model_validate_json(canonical(p))
    assert again == p
    assert again.digest == p.digest
    assert len(p.digest) == 64


def test_the_order_in_which_people_are_listed_does_not_matter() -> None:
    a = policy(people=PEOPLE | {"agents": {"users": ["UAA", "UBB"]}})
    b = policy(people=PEOPLE | {"agents": {"users": ["UBB", "UAA"]}})
    assert a.digest == b.digest
    assert changes(a, b) == ()


def test_the_longest_cool_off_is_that_of_the_strictest_tier() -> None:
    assert policy().longest_cool_off == 30 * MINUTE


def test_nothing_changed_means_nothing_said() -> None:
    assert changes(policy(), policy()) == ()


CHANGES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"workspace": "T02NEW"}, "Workspace: T01TEST → T02NEW."),
    ({}, {"channels": {"review": "C09NEW"}}, "Review channel: C02REV → C09NEW."),
    (
        {},
        {"channels": {"review": "C02REV", "anchors": "C03ANC"}},
        "Anchors channel: none → C03ANC.",
    ),
    (
        {},
        {"people": PEOPLE | {"agents": {"users": ["U01AGENT", "U02NEW"]}}},
        "Agents: added U02NEW.",
    ),
    (
        {"people": PEOPLE | {"managers": {"users": ["U09MANAGER", "U08OLD"]}}},
        {},
        "Managers: removed U08OLD.",
    ),
    (
        {},
        {"people": PEOPLE | {"agents": {"usergroup": "S07AG"}}},
        "Agents: U01AGENT → user group S07AG.",
    ),
    (
        {},
        {"people": PEOPLE | {"reviewers": PEOPLE["reviewers"] | {"press": {"users": ["U06PR"]}}}},
        "Reviewers press: new group, U06PR.",
    ),
    (
        {"people": PEOPLE | {"reviewers": PEOPLE["reviewers"] | {"press": {"users": ["U06PR"]}}}},
        {},
        "Reviewers press: group removed; it was U06PR.",
    ),
    (
        {},
        {
            "people": PEOPLE
            | {"reviewers": PEOPLE["reviewers"] | {"legal": {"users": ["U05LEGAL", "U06B"]}}}
        },
        "Reviewers legal: added U06B.",
    ),
    ({"subjects": {}}, {"subjects": {"a": {"tags": ["x"]}}}, "Tags of a: added x."),
    ({"subjects": {"a": {"tags": ["x"]}}}, {"subjects": {}}, "Tags of a: removed x."),
    (
        {"tiers": [tier()]},
        {},
        "Tier added: public-office: when tag public-office or at least 1,000,000 followers"
        " → 2 approvals, at least 1 from legal; cool-off 30 min; 8 h to reach quorum; 1 h to run.",
    ),
    (
        {"tiers": [top(), tier("rest")]},
        {"tiers": [tier("rest")]},
        "Tier removed: public-office: when tag public-office or at least 1,000,000 followers"
        " → 2 approvals, at least 1 from legal; cool-off 30 min; 8 h to reach quorum; 1 h to run.",
    ),
    (
        {"tiers": [tier("a", when={"tag": "x"}), tier("b", when={"tag": "y"}), tier()]},
        {"tiers": [tier("b", when={"tag": "y"}), tier("a", when={"tag": "x"}), tier()]},
        "Order of the tiers: a, b, standard → b, a, standard.",
    ),
    (
        {"tiers": [top(when={"tag": "x"}), tier()]},
        {"tiers": [top(when={"tag": "y"}), tier()]},
        "Tier public-office: applied when tag x; now applies when tag y.",
    ),
    (
        {},
        {"tiers": [top(quorum={"approvals": 3, "including": {"legal": 1}}), tier()]},
        "Tier public-office: approvals tightened, 2 → 3.",
    ),
    (
        {},
        {"tiers": [top(quorum={"approvals": 2}), tier()]},
        "Tier public-office: approvals from legal loosened, 1 → 0.",
    ),
    (
        {},
        {"tiers": [top(), tier(cool_off=MINUTE)]},
        "Tier standard: cool-off loosened, 5 min → 1 min.",
    ),
    (
        {},
        {"tiers": [top(), tier(cool_off=10 * MINUTE)]},
        "Tier standard: cool-off tightened, 5 min → 10 min.",
    ),
    (
        {},
        {"tiers": [top(), tier(open_for=DAY)]},
        "Tier standard: time to reach quorum loosened, 8 h → 24 h.",
    ),
    (
        {},
        {"tiers": [top(), tier(run_within=30 * MINUTE)]},
        "Tier standard: time to run tightened, 1 h → 30 min.",
    ),
    (
        {},
        {"tiers": [top(strict=True), tier()]},
        "Tier public-office: strict: by default → yes.",
    ),
    (
        {"tiers": [top(strict=True), tier(strict=True)]},
        {"tiers": [top(strict=True), tier(strict=False)]},
        "Tier standard: strict: yes → no.",
    ),
]


@pytest.mark.parametrize(("before", "after", "sentence"), CHANGES)
def test_a_change_is_said_in_a_sentence(
    before: dict[str, Any], after: dict[str, Any], sentence: str
) -> None:
    old, new = policy(**before), policy(**after)
    assert changes(old, new) == (sentence,)
    assert old.digest != new.digest


def test_a_tier_that_gains_or_loses_its_when_says_so() -> None:
    a = policy(tiers=[tier("a", when={"tag": "x"}), tier("b")])
    b = policy(tiers=[tier("b", when={"tag": "x"}), tier("a")])
    assert changes(a, b) == (
        "Tier b: applied when no stricter tier applies; now applies when tag x.",
        "Tier a: applied when tag x; now applies when no stricter tier applies.",
        "Order of the tiers: a, b → b, a.",
    )


@pytest.mark.parametrize(
    ("said", "strict"),
    [({}, ""), ({"strict": True}, "; strict"), ({"strict": False}, "; not strict")],
)
def test_a_tier_reads_as_a_sentence(said: dict[str, Any], strict: str) -> None:
    assert str(policy(tiers=[top(strict=True), tier(**said)]).tiers[1]) == (
        "standard: otherwise → 1 approval; cool-off 5 min; 8 h to reach quorum; 1 h to run" + strict
    )


def test_a_tier_before_a_strict_one_is_strict() -> None:
    wrong = [tier("a", when={"tag": "x"}), tier("b", strict=True)]
    with pytest.raises(ValidationError, match="the tier a is not strict, and b after it is"):
        policy(tiers=wrong)
    policy(tiers=[tier("a", when={"tag": "x"}, strict=True), tier("b", strict=True)])
