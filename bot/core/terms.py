"""The terms of a request: what its policy asked for when they were pinned."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from bot.core.actions import ACTIONS, ActionKind
from bot.core.policy import Policy
from bot.core.subject import Snapshot
from bot.core.value import Value

Count = Annotated[int, Field(ge=0)]
Including = Annotated[
    tuple[tuple[str, Annotated[int, Field(ge=1)]], ...], AfterValidator(lambda v: tuple(sorted(v)))
]


class Terms(Value):
    """Lengths in ms. `including` is how many of the approvals come from which group, by name."""

    tier: str
    approvals: Count
    including: Including
    cool_off: Count
    open_for: Count
    run_within: Count
    policy: str  # Policy.digest
    why: str  # why this tier, in words
    strict: bool = False  # no start before an anchor keeps a checkpoint over the quorum

    @model_validator(mode="after")
    def _fits(self) -> "Terms":
        if sum(n for _, n in self.including) > self.approvals:
            raise ValueError("more approvals are asked for from groups than in all")
        return self

    @property
    def is_top(self) -> bool:
        """Whether these are of a top tier: two approvals or more."""
        return self.approvals >= 2

    def same_as(self, other: "Terms") -> bool:
        """Whether both ask for the same, whichever tier or policy says so."""
        return self._numbers == other._numbers

    def stricter(self, other: "Terms") -> "Terms":
        """Of each term the stricter one. `other` is the newer: where neither is the stricter in
        everything, the words are its own."""
        including = dict(self.including)
        for group, n in other.including:
            including[group] = max(n, including.get(group, 0))
        merged = other.model_copy(
            update={
                # each group's number may come from another side: together they need the room
                "approvals": max(self.approvals, other.approvals, sum(including.values())),
                "including": tuple(sorted(including.items())),
                "cool_off": max(self.cool_off, other.cool_off),
                "open_for": min(self.open_for, other.open_for),
                "run_within": min(self.run_within, other.run_within),
                "strict": self.strict or other.strict,
            }
        )
        return self if merged.same_as(self) and not merged.same_as(other) else merged

    def is_stricter_than(self, other: "Terms") -> bool:
        """Whether any of these terms is stricter than that of `other`.

        How long a quorum may take is left out: that says nothing of a quorum that was reached.
        """
        alike = self.model_copy(update={"open_for": other.open_for})
        return not other.stricter(alike).same_as(other)

    @property
    def _numbers(self) -> tuple[object, ...]:
        return (
            self.approvals,
            self.including,
            self.cool_off,
            self.open_for,
            self.run_within,
            self.strict,
        )


def terms_for(
    policy: Policy, action: ActionKind, snapshot: Snapshot, now: int, anchors: bool
) -> Terms:
    """The terms that `policy` gives to `action` on the subject as looked up; `now` in ms.

    `anchors`: whether any are configured: where there are, a top tier is strict by default. They come
    from the policy, the installation and the subject: nothing that a requester typed is read here.
    """
    tier, why = policy.tier_for(action, snapshot, now)
    restrictive = ACTIONS[action].restrictive
    terms = Terms(
        tier=tier.name,
        approvals=tier.quorum.approvals if restrictive else 1,
        including=tuple(sorted(tier.quorum.including.items())) if restrictive else (),
        cool_off=tier.cool_off if restrictive else 0,
        open_for=tier.open_for,
        run_within=tier.run_within,
        policy=policy.digest,
        why=why,
        strict=restrictive and tier.is_strict(anchors),
    )
    # A restrictive action never has fewer than two people in it: the requester, who never counts,
    # and at least one who approves. Giving access back may take one.
    assert terms.approvals >= 1
    return terms


def restore_at_once(policy: Policy, snapshot: Snapshot, now: int) -> Terms:
    """The terms of the one-click Restore within the regret window: the click is all it takes.

    Only ever for a restore: there is no `action` to pass.
    """
    return terms_for(policy, ActionKind.RESTORE, snapshot, now, anchors=False).model_copy(
        update={"approvals": 0, "cool_off": 0}
    )
