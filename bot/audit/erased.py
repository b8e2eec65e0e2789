"""What would be erased, and what was, in words for the command line."""

from collections.abc import Sequence

from bot.audit.erasing import Plan
from bot.core.text import one_line
from bot.store.erase import Found
from bot.store.ledger import AUDIT, POLICY

NOT_REACHED = """\
not reached  backups, copies, and exports that were given away;
             direct messages in Slack, and what Slack itself keeps"""
_OF_ITS_OWN = {POLICY: "the policy", AUDIT: "what was said with exports and the like"}
_LISTED = 20


def plan(planned: Plan, name: str) -> str:
    """What would be erased, with every name that is looked for, so that a wrong one is seen."""
    found = planned.found
    if found.nothing:
        return (
            f"Nothing is held under “{one_line(name, 200)}”: no request, no query, no draft."
            " Perhaps it was erased before, or is written otherwise."
        )
    rows = [
        f"account      {one_line(found.subject or 'of no request', 200)}",
        f"names        {', '.join(one_line(n, 100) for n in sorted(found.names))}",
        f"requests     {_listed(found.requests)}",
        f"values       {found.values} that stand sealed in them",
        f"queries      {len(found.queries)} that name it",
        f"drafts       {len(found.drafts)}",
        "what stays   who asked and decided, when, under which rule, and what came of it",
    ]
    if planned.elsewhere:
        others = [_OF_ITS_OWN.get(stream, stream) for stream in planned.elsewhere]
        rows.append(f"not touched  {_listed(others)}: named there as well")
    return "\n".join([*rows, NOT_REACHED])


def erased(found: Found) -> str:
    said = (
        f"Erased: {found.values} values of {_count(len(found.requests), 'request', 'requests')},"
        f" {_count(len(found.queries), 'query', 'queries')},"
        f" {_count(len(found.drafts), 'draft', 'drafts')}."
    )
    if found.requests:
        said += " The bot changes its cards and threads within a minute, or when it runs next."
    return said


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "") or "none"


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
