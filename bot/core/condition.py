"""When a tier of the policy applies: conditions on a subject, in three-valued (Kleene) logic."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from bot.core.actions import ActionKind
from bot.core.duration import Duration, spelled
from bot.core.subject import Snapshot
from bot.core.value import Value

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]  # of a tag, group, tier or platform
TEXT = r"^\S(?:.{0,253}\S)?$"
Text = Annotated[str, StringConstraints(pattern=TEXT)]  # of what others have named


class Condition(Value):
    """Every key that is given has to hold. At least one is given."""

    # `not` is a keyword of Python: the file says `not`, the ledger's canonical form `not_`
    model_config = ConfigDict(
        validate_by_name=True, validate_by_alias=True, json_schema_extra={"minProperties": 1}
    )

    tag: Name | None = None
    verified: bool | None = None
    followers_at_least: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = None
    account_age_below: Duration | None = None
    platform_role: Text | None = None
    platform: Name | None = None
    action: ActionKind | None = None
    any: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = None
    all: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = None
    not_: "Condition | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if self == Condition.model_construct():
            raise ValueError(
                "an empty condition says nothing. Give one, such as tag or followers_at_least"
            )
        return self


class Case(NamedTuple):
    """What a condition is judged on; `now` in ms."""

    action: ActionKind
    snapshot: Snapshot
    tags: frozenset[str]
    now: int


class Finding(NamedTuple):
    """Whether a condition holds (None: unknown), and what of the case makes it so, in words."""

    holds: bool | None
    why: str


class Test(NamedTuple):
    """One kind of plain condition. Its words name the bound and never the subject's own value,
    for they end up in terms, which the ledger keeps for ever."""

    holds: Callable[[Any, Case], bool | None]
    words: Callable[[Any], tuple[str, str]]  # if it holds, if it does not
    fact: str | None = None  # the field of the snapshot that it needs, where that may be unknown
    unknown: str = ""


def _younger(length: int, case: Case) -> bool | None:
    created = case.snapshot.created_at
    return None if created is None else case.now - created < length


TESTS: dict[str, Test] = {
    "tag": Test(
        lambda tag, case: tag in case.tags,
        lambda tag: (f"tag {tag}", f"no tag {tag}"),
    ),
    "verified": Test(
        lambda wanted, case: (
            None if case.snapshot.verified is None else case.snapshot.verified is wanted
        ),
        lambda wanted: ("verified", "not verified") if wanted else ("not verified", "verified"),
        "verified",
        "verification unknown",
    ),
    "followers_at_least": Test(
        lambda count, case: (
            None if case.snapshot.followers is None else case.snapshot.followers >= count
        ),
        lambda count: (f"at least {count:,} followers", f"fewer than {count:,} followers"),
        "followers",
        "followers unknown",
    ),
    "account_age_below": Test(
        _younger,
        lambda length: (
            f"account younger than {spelled(length)}",
            f"account at least {spelled(length)} old",
        ),
        "created_at",
        "account age unknown",
    ),
    "platform_role": Test(
        lambda role, case: None if case.snapshot.roles is None else role in case.snapshot.roles,
        lambda role: (f"platform role {role}", f"no platform role {role}"),
        "roles",
        "platform roles unknown",
    ),
    "platform": Test(
        lambda name, case: name == case.snapshot.subject.platform,
        lambda name: (f"platform {name}", f"another platform than {name}"),
    ),
    "action": Test(
        lambda kind, case: kind is case.action,
        lambda kind: (f"action {kind}", f"another action than {kind}"),
    ),
}


def tests(condition: Condition) -> Iterator[tuple[str, Test, Any]]:
    """The plain conditions that stand directly in `condition`: key, test, value."""
    for key, test in TESTS.items():
        value = getattr(condition, key)
        if value is not None:
            yield key, test, value


def judge(condition: Condition, case: Case) -> Finding:
    """Whether `condition` holds in `case`, and why."""
    found = []
    for _, test, value in tests(condition):
        holds = test.holds(value, case)
        if_so, if_not = test.words(value)
        found.append(Finding(holds, test.unknown if holds is None else if_so if holds else if_not))
    if condition.any is not None:
        found.append(_one_decides(True, [judge(c, case) for c in condition.any]))
    if condition.all is not None:
        found.append(_one_decides(False, [judge(c, case) for c in condition.all]))
    if condition.not_ is not None:
        holds, why = judge(condition.not_, case)
        found.append(Finding(None if holds is None else not holds, why))
    return _one_decides(False, found)


def _one_decides(decisive: bool, found: Sequence[Finding]) -> Finding:
    """Kleene's `or` (one True decides) and `and` (one False decides)."""
    values = [f.holds for f in found]
    holds = decisive if decisive in values else None if None in values else not decisive
    # dict: a reason that two branches share is said once
    return Finding(holds, " and ".join(dict.fromkeys(f.why for f in found if f.holds is holds)))


def in_words(condition: Condition) -> str:
    """`condition` as a clause: "tag public-office or at least 1,000,000 followers"."""
    text = _nested(condition)
    # only a join makes a parenthesis, and the outermost join needs none
    return text[1:-1] if text.startswith("(") else text


def _nested(condition: Condition) -> str:
    parts = [test.words(value)[0] for _, test, value in tests(condition)]
    if condition.any is not None:
        parts.append(_joined(" or ", condition.any))
    if condition.all is not None:
        parts.append(_joined(" and ", condition.all))
    if condition.not_ is not None:
        parts.append(f"not ({in_words(condition.not_)})")
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def _joined(word: str, conditions: Sequence[Condition]) -> str:
    parts = [_nested(c) for c in conditions]
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"
