"""The small forms: veto, restore, approve in the top tiers, settle; and Details."""

from collections.abc import Sequence

from bot.core.actions import Reversibility
from bot.core.assess import Assessment
from bot.core.request import Phase, Request
from bot.core.rules import Act
from bot.slack.views.card import approve_button, facts, progress, title
from bot.slack.views.common import (
    Block,
    Blocks,
    button,
    context,
    escape,
    modal,
    plain,
    quote,
    section,
    text_input,
    when,
)
from bot.slack.views.ids import ref

REASON_MOST = 1500  # characters
VETO, RESTORE, APPROVE, SETTLE, DETAILS = "veto", "restore", "approve", "settle", "details"


def veto(request: Request) -> Block:
    about = section(f"*{request.id}*: {escape(title(request))}. A veto ends the request.")
    reason = text_input("reason", "Why", multiline=True, most=REASON_MOST)
    return _form(request, "Veto", VETO, [about, reason], "Veto")


def restore(request: Request) -> Block:
    text = f"Undoes *{request.id}*, {escape(title(request))}, at once: it takes nobody else."
    reason = text_input("reason", "Why", multiline=True, most=REASON_MOST)
    return _form(request, "Restore", RESTORE, [section(text), reason], "Restore")


def approve(a: Assessment, reversibility: Reversibility | None) -> Block:
    """For the top tiers: every fact once more, before the yes."""
    ask = section("Approve only what you have checked yourself. You can retract it until it runs.")
    blocks = [*facts(a, reversibility), ask]
    return _form(a.request, "Approve", APPROVE, blocks, "Approve")


def settle(request: Request) -> Block:
    options = [
        {"text": plain("It took effect"), "value": "yes"},
        {"text": plain("It did not take effect"), "value": "no"},
    ]
    blocks: Blocks = [
        section(
            f"What became of *{request.id}*, {escape(title(request))}? Two reviewers settle it."
        ),
        {
            "type": "input",
            "block_id": "effect",
            "label": plain("What became of it"),
            "element": {"type": "radio_buttons", "action_id": "value", "options": options},
        },
        text_input("reason", "How you know", multiline=True, most=REASON_MOST),
    ]
    return _form(request, "Settle", SETTLE, blocks, "Settle")


def details(
    a: Assessment, reversibility: Reversibility | None, acts: Sequence[Act], story: Sequence[str]
) -> Block:
    """Everything about a request, and the buttons that this one viewer may press."""
    r = a.request
    value = str(ref(r))
    blocks: Blocks = [section(f"*{escape(title(r))}* · {a.phase.value}"), *facts(a, reversibility)]
    grounds = r.grounds.value
    if grounds is not None and grounds.evidence:
        blocks.append(quote("\n".join(grounds.evidence)))
    blocks.append(section("\n".join(progress(a))))
    row = []
    if Act.APPROVE in acts:
        row.append(approve_button(r, value))
    if Act.VETO in acts:
        row.append(button(Act.VETO.value, "veto", value, "danger"))
    if Act.RESTORE in acts:
        row.append(button(Act.RESTORE.value, "restore", value, "primary"))
    if Act.RETRACT in acts:
        row.append(button(Act.RETRACT.value, "retract", value))
    if Act.WITHDRAW in acts:
        row.append(button(Act.WITHDRAW.value, "withdraw", value))
    if a.phase is Phase.UNKNOWN:
        row.append(button("Check again", "check", value))
    if Act.SETTLE in acts:
        row.append(button(Act.SETTLE.value, "settle", value))
    if row:
        blocks.append({"type": "actions", "elements": row})
    blocks += [section(line) for line in story[-40:]]
    blocks.append(context(f"{r.id} · round {r.round} · {r.digest[:8]} · filed {when(r.filed_at)}"))
    return modal(f"{r.id}", blocks, callback_id=DETAILS, metadata=value)


def told(name: str, text: str) -> Block:
    """A form that only says something."""
    return modal(name, [section(text)], callback_id="done")


def _form(request: Request, name: str, callback: str, blocks: Blocks, submit: str) -> Block:
    return modal(
        f"{name} {request.id}",
        blocks,
        callback_id=callback,
        submit=submit,
        close="Cancel",
        metadata=str(ref(request)),
    )
