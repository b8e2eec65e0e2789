"""The form in which a request is filed: the handle, what was found, and the grounds."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.core.actions import ACTIONS, ActionKind
from bot.core.events import Grounds
from bot.core.reasons import ReasonCode
from bot.core.subject import Snapshot
from bot.core.text import one_line
from bot.slack.views.card import account, reach
from bot.slack.views.common import (
    Block,
    Blocks,
    context,
    escape,
    fields,
    modal,
    plain,
    section,
    text_input,
    typed,
    when,
)

CALLBACK = "file"
EVIDENCE_MOST = 20
HANDLE_MOST = 300
MOST = {"what": 2500, "clause": 200, "ticket": 200}  # characters


def _form(action: ActionKind, blocks: Blocks, submit: str | None = None) -> Block:
    return modal(
        f"Request to {ACTIONS[action].verb.lower()}",
        blocks,
        callback_id=CALLBACK,
        submit=submit,
        close="Cancel",
        metadata=json.dumps({"action": action.value}),
    )


def action_of(view: Mapping[str, Any]) -> ActionKind:
    return ActionKind(json.loads(view["private_metadata"])["action"])


def ask_handle(action: ActionKind, handle: str = "", refusal: str | None = None) -> Block:
    """The first page: which account. `refusal`: why the last one would not do."""
    blocks: Blocks = []
    if refusal is not None:
        blocks.append(section(f":no_entry: {escape(refusal)}"))
    blocks.append(
        text_input(
            "handle",
            "Handle of the account",
            hint="Letter by letter, as on the platform.",
            initial=handle[:HANDLE_MOST] or None,
            most=HANDLE_MOST,
        )
    )
    return _form(action, blocks, "Look up")


def looking_up(action: ActionKind, handle: str) -> Block:
    return _form(action, [section(f":mag: Looking up *{escape(one_line(handle, 100))}* …")])


def found(
    action: ActionKind, s: Snapshot, tags: frozenset[str], refusal: str | None = None
) -> Block:
    """What was found, and the fields for the grounds. `refusal`: why it was not filed."""
    blocks: Blocks = []
    if refusal is not None:
        blocks.append(section(f":no_entry: {escape(refusal)}"))
    handle = escape(one_line(s.handle, 80).removeprefix("@"))
    blocks.append(section(f"*@{handle}* on {escape(s.subject.platform)}"))
    blocks.append(fields([("Account", account(s)), ("Reach", reach(s)), ("State", state(s))]))
    if tags:
        blocks.append(context(f":shield: {escape(', '.join(sorted(tags)))}"))
    blocks += [
        {
            "type": "input",
            "block_id": "reason",
            "label": plain("Reason"),
            "element": {
                "type": "static_select",
                "action_id": "value",
                "placeholder": plain("Choose one"),
                "options": [
                    {"text": plain(code.value), "value": code.value} for code in ReasonCode
                ],
            },
        },
        text_input("what", "What happened", multiline=True, most=MOST["what"]),
        text_input("clause", "Policy clause", optional=True, most=MOST["clause"]),
        text_input(
            "evidence",
            "Evidence links",
            multiline=True,
            optional=True,
            hint=f"One on each line, at most {EVIDENCE_MOST}. They are stored, and never opened.",
        ),
        text_input("ticket", "Ticket", optional=True, most=MOST["ticket"]),
    ]
    return _form(action, blocks, "File")


def state(s: Snapshot) -> str:
    since = f"since {when(s.since)}" if s.since is not None else "since when is unknown"
    by = f", by {escape(one_line(s.by, 80))}" if s.by else ""
    return f"{s.state.value}, {since}{by}"


def filed(action: ActionKind, id: str, text: str) -> Block:
    done = section(f":white_check_mark: *{id}* is filed. {text}")
    return modal(
        f"Request to {ACTIONS[action].verb.lower()}",
        [done],
        callback_id="done",
        close="Close",
    )


def read(view: Mapping[str, Any]) -> tuple[ReasonCode | None, Grounds, dict[str, str]]:
    """The reason, the grounds, and what is wrong with which field (block_id -> sentence)."""
    form = dict(view)
    errors: dict[str, str] = {}
    code = typed(form, "reason")
    reason = ReasonCode(code) if code in set(ReasonCode) else None
    if reason is None:
        errors["reason"] = "Choose one of the reasons in the list."
    what = typed(form, "what").strip()
    if not what:
        errors["what"] = "Say what happened, so that somebody else can judge it."
    for (
        field,
        most,
    ) in MOST.items():  # Slack sees to it; what is cut off on the card, nobody approves
        if (length := len(typed(form, field))) > most:
            errors[field] = f"At most {most} characters; these are {length}."
    links = tuple(line.strip() for line in typed(form, "evidence").splitlines() if line.strip())
    wrong = [link for link in links if not _is_link(link)]
    if wrong:
        errors["evidence"] = f"Not a web address: {one_line(wrong[0], 80)}"
    elif len(links) > EVIDENCE_MOST:
        errors["evidence"] = f"At most {EVIDENCE_MOST} links; these are {len(links)}."
    grounds = Grounds(
        what_happened=what,
        clause=typed(form, "clause").strip(),
        evidence=links,
        ticket=typed(form, "ticket").strip(),
    )
    return reason, grounds, errors


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in text
    except ValueError:
        return False
