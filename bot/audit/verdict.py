"""What was found when the trail was verified, in plain sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ledger.note import rebase64
from bot.ledger.verify import Finding, Verified


@dataclass(frozen=True, slots=True)
class Verdict:
    text: str
    wrong: bool


def of(
    what: str, found: Verified, kept_wrong: Sequence[Finding], *, own_keys: bool = False
) -> Verdict:
    """`own_keys`: the signatures were checked with keys that came with the log itself."""
    findings = [*found.findings, *kept_wrong]
    if findings:
        lines = [f"{what}: NOT as it was", *(f"  {finding}" for finding in findings)]
        if found.size:
            lines.append(f"In order, as far as its own tree goes: entries 1 to {found.size}.")
    else:
        lines = [f"{what}: {found.size} entries verified", f"root {rebase64(found.root)}"]
    lines += [f"It agrees with {k.name}, over {k.head.size} entries." for k in found.held]
    if not any(not k.own for k in found.held) and not findings:
        lines.append(
            "It was held against nothing that others keep: whoever has the key and the database could"
            " have rewritten all of it. Give a kept checkpoint by --against."
        )
    if own_keys:
        lines.append(
            "The keys came with it: compare them with the vkey that you had from elsewhere, or give"
            " that one by --vkey."
        )
    return Verdict("\n".join(lines), bool(findings))
