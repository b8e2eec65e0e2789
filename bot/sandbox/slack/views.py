"""The `views.*` methods."""

from collections.abc import Mapping

from bot.sandbox.slack.call import Call, Json, Method
from bot.sandbox.slack.records import View
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace


def _content(call: Call) -> Json:
    content = call.document("view", "invalid_arguments")
    if not isinstance(content, dict):
        raise Refusal(
            "invalid_arguments", ["[ERROR] missing required field: view [json-pointer:/view]"]
        )
    return content


def _shown(view: View) -> Json:
    return {"ok": True, "view": view.payload()}


def open_view(ws: Workspace, call: Call) -> Json:
    content = _content(call)
    trigger = ws.tickets.valid_trigger(call.required("trigger_id"))
    view = ws.modals.open(trigger.user, content)
    # Only now: a view that is refused does not cost the trigger.
    trigger.exchanged = True
    return _shown(view)


def push(ws: Workspace, call: Call) -> Json:
    content = _content(call)
    trigger = ws.tickets.valid_trigger(call.required("trigger_id"))
    if trigger.view_id is None or ws.modals.find(trigger.view_id) is None:
        raise Refusal("not_found")
    view = ws.modals.push(trigger.user, content)
    trigger.exchanged = True
    return _shown(view)


def update(ws: Workspace, call: Call) -> Json:
    content = _content(call)
    view_id, external_id = call.text("view_id"), call.text("external_id")
    if not view_id and not external_id:
        raise Refusal(
            "invalid_arguments", ["[ERROR] missing required field: view_id [json-pointer:/view_id]"]
        )
    view = ws.modals.find(view_id, external_id)
    if view is None:
        raise Refusal("not_found")
    ws.modals.replace(view, content, call.text("hash"))
    return _shown(view)


def publish(ws: Workspace, call: Call) -> Json:
    content = _content(call)
    user = ws.users.get(call.required("user_id"))
    if user is None or user.team != ws.team:
        raise Refusal("invalid_arguments", ["[ERROR] invalid `user_id` [json-pointer:/user_id]"])
    return _shown(ws.modals.publish(user.id, content, call.text("hash")))


METHODS: Mapping[str, Method] = {
    "views.open": Method(open_view),
    "views.push": Method(push),
    "views.update": Method(update),
    "views.publish": Method(publish),
}
