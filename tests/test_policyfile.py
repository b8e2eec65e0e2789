"""The policy file: every problem with its place and remedy, and nothing clever in YAML."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.core.sealed import canonical
from bot.policyfile import PolicyError, load, parse, schema, show, warnings

ROOT = Path(__file__).parent.parent
SANDBOX = ROOT / "bot/sandbox/policy.yaml"
GOOD = """\
version: 1
workspace: T01TEST
channels: {review: C02REV}
people:
  agents: {users: [U01AGENT]}
  managers: {users: [U09MANAGER]}
  reviewers:
    trust-safety: {usergroup: S01TS}
    legal: {users: [U05LEGAL]}
subjects:
  acct-1000: {tags: [public-office]}
tiers:
  - name: public-office
    when: {tag: public-office}
    quorum: {approvals: 2, including: {legal: 1}}
    cool_off: 30m
    open_for: 24h
    run_within: 1h
  - name: standard
    quorum: {approvals: 1}
    cool_off: 5m
    open_for: 8h
    run_within: 1h
"""


def problems(text: str, **more: Any) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as refused:
        parse(text, "p", **more)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def only(old: str, new: str) -> str:
    (problem,) = problems(changed(old, new))
    return problem


def test_the_sandboxs_policy_is_right() -> None:
    policy = load(SANDBOX, platforms={"demo": frozenset({"followers"})})
    assert policy.workspace == "T01TEST"
    assert policy.people.reviewers["legal"].users == frozenset({"U05LEGAL"})
    assert policy.longest_cool_off == 30 * 60_000
    assert warnings(policy) == []


def test_comments_order_and_spelling_do_not_change_the_digest() -> None:
    other = changed("cool_off: 30m", "cool_off: PT30M  # half an hour")
    assert parse(other, "p").digest == parse(GOOD, "p").digest


def test_a_number_may_have_underscores_or_a_base() -> None:
    for text in ("1_000_000", "0xF4240"):
        policy = parse(changed("{tag: public-office}\n", f"{{followers_at_least: {text}}}\n"), "p")
        when = policy.tiers[0].when
        assert when is not None
        assert when.followers_at_least == 1_000_000


def test_a_subjects_id_may_look_like_a_number() -> None:
    policy = parse(changed("acct-1000:", "109372843234523:"), "p")
    assert set(policy.subjects) == {"109372843234523"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1", "version: 2", "p:1:10: `version` is 2. Write 1."),
        (
            "version: 1",
            "version: 99999999999999999999",
            "p:1:10: `version` has to be something else."
            " Look it up in the reference of the policy file.",
        ),
        (
            "channels: {review: C02REV}",
            "channels: {review: C02REV, anchor: C03ANC}",
            "p:3:28: unknown key `anchor`. Did you mean `anchors`?",
        ),
        (
            "people:\n",
            "people:\n  owners: {users: [U01OWNER]}\n",
            "p:5:3: unknown key `owners`. Known here: agents, managers, reviewers.",
        ),
        (
            "{usergroup: S01TS}",
            "{usergroups: S01TS}",
            "p:8:20: unknown key `usergroups`. Did you mean `usergroup`?",
        ),
        (
            "{tag: public-office}\n",
            "{any: [{tag: public-office}, {not: {tag: x, verifed: true}}]}\n",
            "p:14:55: unknown key `verifed`. Did you mean `verified`?",
        ),
        (
            "{tag: public-office}\n",
            "{not_: {tag: public-office}}\n",
            "p:14:12: unknown key `not_`. Did you mean `not`?",
        ),
        (
            "  managers: {users: [U09MANAGER]}\n",
            "",
            "p:4:1: `managers` is missing in `people`. Add it.",
        ),
        (
            "    open_for: 8h\n",
            "",
            "p:19:5: `open_for` is missing in item 2 of `tiers`. Add it.",
        ),
        (
            "version: 1",
            "version: 1\nversion: 1",
            "p:2:1: `version` stands here a second time (first in line 1). Keep one of the two.",
        ),
        ("[U01AGENT]", "[]", "p:5:12: `users` is empty. Give it at least one item."),
        ("[public-office]}\n", "[]}\n", "p:11:15: `tags` is empty. Give it at least one item."),
        (
            "{approvals: 1}",
            "3",
            "p:20:13: `quorum` has to be keys with values below it. Write it as `key: value`.",
        ),
        ("[U01AGENT]", "U01AGENT", "p:5:19: `users` has to be a list. Write it as [a, b]."),
        (
            "{approvals: 1}",
            "{approvals: one}",
            "p:20:25: `approvals` has to be a whole number. Write it in digits, such as 2.",
        ),
        (
            "{approvals: 1}",
            "{approvals: 010}",
            "p:20:25: `approvals` has to be a whole number. Write it in digits, such as 2.",
        ),
        (
            "{approvals: 1}",
            "{approvals: 1.0}",
            "p:20:25: `approvals` has to be a whole number. Write it in digits, such as 2.",
        ),
        (
            "{approvals: 1}",
            "{approvals: 99}",
            "p:20:25: `approvals` is too large. Write 50 or less.",
        ),
        (
            "{approvals: 1}",
            "{approvals: 0}",
            "p:20:25: `approvals` is 0, and a second person always takes part. Write 1 or more.",
        ),
        ("{legal: 1}", "{legal: 0}", "p:15:47: `legal` is 0. Write 1 or more."),
        (
            "name: standard",
            "name: 7",
            'p:19:11: `name` has to be text. Put it into quotes, such as "7".',
        ),
        (
            "{tag: public-office}\n",
            "{verified: yes}\n",
            "p:14:22: `verified` has to be true or false. Write one of the two.",
        ),
        (
            "{tag: public-office}\n",
            "{action: suspend}\n",
            "p:14:20: `action` is suspend. Write deactivate or restore.",
        ),
        (
            "channels: {review: C02REV}",
            "channels:",
            "p:3:1: `channels` has no value. Give it one or remove it.",
        ),
        (
            "[U01AGENT]",
            '["U01\\uD800"]',
            "p:5:20: item 1 of `users` holds half a character. Give it one or remove it.",
        ),
        (
            "trust-safety:",
            "trust safety:",
            "p:8:5: `trust safety` is not a name."
            " Use up to 40 letters, digits and _ . -, a letter or digit first.",
        ),
    ],
)
def test_a_problem_has_its_place_and_its_remedy(old: str, new: str, problem: str) -> None:
    assert problem in problems(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("T01TEST", "X01", "p:2:12: `X01` is not a Slack workspace id. It begins with T"),
        ("C02REV", "review", "p:3:20: `review` is not a Slack channel id. It begins with C or G"),
        ("U01AGENT", "S01TS", "p:5:20: `S01TS` is not a Slack user id. It begins with U or W"),
        ("S01TS", "U01", "p:8:31: `U01` is not a Slack user group id. It begins with S"),
        ("acct-1000:", '" a":', "p:11:3: ` a` is not an id."),
        ("[public-office]}\n", "[public office]}\n", "p:11:22: `public office` is not a name."),
        ("{usergroup: S01TS}", "{usergroup: S01TS, users: [U07X]}", "p:8:5: a group is either"),
        ("{usergroup: S01TS}", "{}", "p:8:5: a group is either users or usergroup."),
        ("{tag: public-office}\n", "{}\n", "p:14:5: an empty condition says nothing."),
        ("{tag: public-office}\n", "{not: {}}\n", "p:14:12: an empty condition says nothing."),
        ("cool_off: 5m", "cool_off: 0", "p:21:15: a duration has a unit, and 0 has none."),
        ("cool_off: 5m", "cool_off: 5", "p:21:15: a duration has a unit, and 5 has none."),
        ("cool_off: 5m", "cool_off: 0s", "p:21:15: the duration '0s' is no time at all."),
        ("cool_off: 5m", "cool_off: -5m", "p:21:15: the duration '-5m' is negative."),
        ("cool_off: 5m", "cool_off: 5 minutes", "p:21:15: '5 minutes' is not a duration."),
        ("cool_off: 5m", "cool_off: 31m", "p:16:15: the tier public-office has a shorter cool-off"),
        ("{approvals: 1}", "{approvals: 3}", "p:15:25: the tier public-office asks for fewer"),
        ("name: standard", "name: public-office", "p:19:11: a second tier is called"),
        ("    when: {tag: public-office}\n", "", "p:13:5: the tier public-office has no `when`"),
        (
            "  - name: standard\n",
            "  - name: standard\n    when: {tag: x}\n",
            "p:20:5: the last tier",
        ),
        ("{legal: 1}", "{legl: 1}", "p:15:46: there is no group of reviewers called legl. Use one"),
        ("{legal: 1}", "{legal: 2}", "p:15:28: nobody can satisfy the tier public-office"),
        ("{legal: 1}", "{legal: 1, trust-safety: 2}", "p:15:5: nobody can satisfy 2 approvals"),
        ("{usergroup: S01TS}", "{users: [U05LEGAL]}", "p:15:25: nobody can satisfy the tier"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(old: str, new: str, what: str) -> None:
    problem = only(old, new)
    assert problem.startswith(what)
    assert problem.count(". ") >= 1, "what is wrong, and then the remedy"


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("version: 1", "version: 2").replace("5m", "45m").replace("T01", "01")
    text = text.replace("acct-1000: {tags:", "acct-1000: {tag:").replace("{legal: 1}", "{x: 1}")
    places = [p.split(": ")[0] for p in problems(text)]
    assert places == ["p:1:10", "p:2:12", "p:11:3", "p:11:15", "p:15:43", "p:16:15"]


def test_a_tier_that_cannot_be_read_is_not_held_against_the_others() -> None:
    assert only("    when: {tag: public-office}\n", "    when: 5\n").startswith(
        "p:14:11: `when` has"
    )


def test_a_list_whose_only_item_is_wrong_is_not_called_empty() -> None:
    assert "is not a Slack user id" in only("[U09MANAGER]", "[nobody]")


def test_a_tier_alone_in_being_wrong_is_reported_once() -> None:
    (problem,) = problems(GOOD[: GOOD.index("tiers:")] + "tiers: [5]\n")
    assert problem.startswith("p:12:9: item 1 of `tiers` has to be keys with values below it")


# What is left of YAML


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "p:1:1: the file is empty. Write a policy into it."),
        ("# nothing\n", "p:1:1: the file is empty. Write a policy into it."),
        ("[]", "p:1:1: the policy has to be keys with values below it. Write it as `key: value`."),
        ("5", "p:1:1: the policy has to be keys with values below it. Write it as `key: value`."),
        ("tiers: 5\n", "p:1:8: `tiers` has to be a list. Write it as [a, b]."),
        ("a: &x 1\n", "p:1:4: an anchor or alias (& or *). Write the value out."),
        ("a: 1\nb: *x\n", "p:2:4: an anchor or alias (& or *). Write the value out."),
        ("a: !x b\n", "p:1:4: the tag !x. Remove it: a policy is plain values."),
        (
            "a: !!python/object/apply:os.system [exit]\n",
            "p:1:4: the tag tag:yaml.org,2002:python/object/apply:os.system."
            " Remove it: a policy is plain values.",
        ),
        ("%YAML 1.1\n---\na: 1\n", "p:2:1: a YAML directive. Remove it: a policy is YAML 1.2."),
        ("a: 1\n---\nb: 1\n", "p:2:1: a second document begins. Keep the first one only."),
        ("[" * 10_000, "p:1:41: nested more than 40 deep. Write it flatter."),
        ("<<: {version: 1}\n", "p:1:1: unknown key `<<`. Known here: channels, people, subjects, tiers, version, workspace."),
        ("? [a]\n: 1\n", "p:1:3: a key that is not a word. Write a name before the colon."),
        ("a: b: c\n", "p:1:5: not YAML: mapping values are not allowed here. Correct what stands there."),
    ],
)  # fmt: skip
def test_what_is_not_a_plain_mapping_is_refused(text: str, problem: str) -> None:
    assert problem in problems(text)


def test_a_control_character_is_refused() -> None:
    (problem,) = problems(GOOD + "\x07")
    assert problem.startswith("p:1:1: not YAML: unacceptable character #x0007")


def test_what_cannot_be_seen_is_spelled_out_in_a_problem() -> None:
    problem = only("T01TEST", r'"T01\u202E\nTEST"')
    assert problem.startswith(r"p:2:12: `T01\u202e\nTEST` is not a Slack workspace id.")


def test_what_cannot_be_seen_is_spelled_out_in_what_is_shown() -> None:
    assert r"  acct\u202e-1: public-office" in show(
        parse(changed("acct-1000:", "acct\u202e-1:"), "p")
    )


def test_many_anchors_do_not_grow() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    assert all("anchor or alias" in problem for problem in problems(bomb))


def test_the_number_of_digits_is_no_trouble() -> None:
    assert "whole number" in only("{approvals: 1}", "{approvals: " + "9" * 5000 + "}")
    assert "too large" in only("{approvals: 1}", "{approvals: " + "9" * 4000 + "}")


def test_what_the_ledger_keeps_is_not_a_file() -> None:
    kept = canonical(parse(GOOD, "p")).decode()
    assert any("has no value" in problem for problem in problems(kept))


# The file itself


def test_a_file_is_named_in_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 2\n")
    with pytest.raises(PolicyError, match=f"{file}:1:10: `version` is 2"):
        load(file)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(str(file)) == parse(GOOD, "p")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\nb: \xff\n", ":2:4: it is not UTF-8. Save it in that encoding."),
        (b"#" * 1_000_001, ":1:1: it is larger than 1 MB. Name the right file."),
    ],
)
def test_a_file_of_the_wrong_kind_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(data)
    with pytest.raises(PolicyError) as refused:
        load(file)
    assert refused.value.problems == (f"{file}{problem}",)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none.yaml:1:1: there is no such file\. Write one"):
        load(tmp_path / "none.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r":1:1: it cannot be read \(Is a directory\)\. Make"):
        load(tmp_path)


# What the platforms can say

PLATFORMS = {"demo": frozenset({"followers", "verified"}), "synapse": frozenset({"roles"})}


def with_when(condition: str) -> str:
    return changed("{tag: public-office}\n", condition + "\n")


def test_a_condition_on_what_a_platform_never_says_is_refused() -> None:
    (problem,) = problems(with_when("{any: [{tag: x}, {verified: true}]}"), platforms=PLATFORMS)
    assert problem == (
        "p:14:39: `verified` is never known on synapse, so it would match every account there."
        " Remove it, or add `platform` with another platform in the same `all`."
    )


@pytest.mark.parametrize(
    "condition",
    [
        "{followers_at_least: 9, platform: demo}",
        "{all: [{followers_at_least: 9}, {platform: demo}]}",
        "{all: [{any: [{verified: true}, {tag: x}]}, {platform: demo}]}",
        "{verified: true, not: {platform: synapse}}",
        "{platform: synapse, platform_role: admin}",
        "{not: {all: [{platform: demo}, {verified: true}]}}",
        "{tag: x}",
    ],
)
def test_a_platform_in_the_same_all_guards_a_condition(condition: str) -> None:
    assert parse(with_when(condition), "p", platforms=PLATFORMS)


@pytest.mark.parametrize(
    "condition",
    [
        "{any: [{followers_at_least: 9}, {platform: demo}]}",
        "{all: [{followers_at_least: 9}, {platform: synapse}]}",
        "{followers_at_least: 9, not: {platform: demo}}",
        "{followers_at_least: 9, not: {platform: synapse, tag: x}}",
        "{account_age_below: 2d, platform: demo}",
        "{not: {verified: true}}",
    ],
)
def test_a_platform_elsewhere_guards_nothing(condition: str) -> None:
    (problem,) = problems(with_when(condition), platforms=PLATFORMS)
    assert "is never known on" in problem


def test_a_platform_that_is_not_configured_is_refused() -> None:
    (problem,) = problems(with_when("{platform: dema}"), platforms=PLATFORMS)
    assert problem == "p:14:22: no platform called dema is configured. Did you mean `demo`?"


def test_without_platforms_nothing_is_asked_of_them() -> None:
    assert parse(with_when("{verified: true, platform: elsewhere}"), "p")


def test_platforms_are_asked_even_when_something_else_is_wrong() -> None:
    text = with_when("{verified: true}").replace("version: 1", "version: 2")
    assert [p[:7] for p in problems(text, platforms=PLATFORMS)] == ["p:1:10:", "p:14:22"]


# For people


def test_a_cool_off_under_a_minute_is_a_warning() -> None:
    (warning,) = warnings(parse(changed("cool_off: 5m", "cool_off: 59s"), "p"))
    assert warning.startswith("The tier standard has a cool-off of 59 s: under a minute")


def test_a_tag_that_only_one_side_knows_is_a_warning() -> None:
    text = with_when("{any: [{tag: public_office}, {not: {all: [{tag: b}]}}]}")
    assert warnings(parse(text, "p")) == [
        "The tag public-office is given to subjects, but no tier asks for it.",
        "A tier asks for the tag b, but no subject has it.",
        "A tier asks for the tag public_office, but no subject has it.",
    ]


def test_a_policy_is_shown_in_plain_words() -> None:
    policy = load(SANDBOX)
    assert show(policy) == (
        f"Policy {policy.digest[:8]} of workspace T01TEST\n"
        "Review channel: C02REV\n"
        "Checkpoints: C03ANC\n"
        "Agents, who may file: U01AGENT\n"
        "Managers, who may query the trail: U09MANAGER\n"
        "Reviewers, who may approve or veto:\n"
        "  legal: U05LEGAL\n"
        "  trust-safety: user group S01TS\n"
        "Tags:\n"
        "  acct-1000: public-office\n"
        "Tiers, of which the first that matches applies (what is unknown matches):\n"
        "  public-office: when tag public-office or at least 1,000,000 followers → 2 approvals,"
        " at least 1 from legal; cool-off 30 min; 24 h to reach quorum; 1 h to run\n"
        "  standard: otherwise → 1 approval; cool-off 5 min; 8 h to reach quorum; 1 h to run\n"
        "A changed policy takes effect after 30 min."
    )


def test_a_policy_without_subjects_shows_no_tags() -> None:
    text = GOOD[: GOOD.index("subjects:")] + GOOD[GOOD.index("tiers:") :]
    assert "Tags" not in show(parse(text, "p"))


def test_the_schema_for_editors_is_the_present_one() -> None:
    kept = (ROOT / "docs/reference/policy.schema.json").read_text()
    assert kept == json.dumps(schema(), indent=2) + "\n", "write json.dumps(schema(), indent=2)"


def test_the_schema_asks_for_durations_with_a_unit_and_for_no_nulls() -> None:
    text = json.dumps(schema())
    assert "null" not in text
    assert schema()["$defs"]["Tier"]["properties"]["cool_off"]["type"] == "string"
