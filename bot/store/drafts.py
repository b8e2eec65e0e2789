"""What was looked up for a form that is open."""

from dataclasses import dataclass

from bot.core.actions import ActionKind
from bot.core.subject import Snapshot
from bot.store.tx import Tx

DAY = 24 * 60 * 60_000


@dataclass(frozen=True, slots=True)
class Draft:
    view_id: str
    person: str
    action: ActionKind
    handle: str
    found: Snapshot | None
    error: str
    at: int


def keep_draft(tx: Tx, draft: Draft) -> None:
    tx.execute("DELETE FROM drafts WHERE at < :before", before=draft.at - DAY)
    found = draft.found.model_dump_json() if draft.found else draft.error
    tx.execute(
        "INSERT INTO drafts (view_id, person, action, handle, found, at)"
        " VALUES (:view_id, :person, :action, :handle, :found, :at)"
        " ON CONFLICT (view_id) DO UPDATE SET person = :person, action = :action,"
        " handle = :handle, found = :found, at = :at",
        view_id=draft.view_id,
        person=draft.person,
        action=draft.action.value,
        handle=draft.handle,
        found=found,
        at=draft.at,
    )


def draft(tx: Tx, view_id: str) -> Draft | None:
    for row in tx.query("SELECT * FROM drafts WHERE view_id = :v", v=view_id):
        found = Snapshot.model_validate_json(row["found"]) if row["found"][:1] == "{" else None
        return Draft(
            row["view_id"],
            row["person"],
            ActionKind(row["action"]),
            row["handle"],
            found,
            "" if found else row["found"],
            row["at"],
        )
    return None


def drop_draft(tx: Tx, view_id: str) -> None:
    tx.execute("DELETE FROM drafts WHERE view_id = :v", v=view_id)
