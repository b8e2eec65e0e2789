"""The methods that read: people, groups, channels, and what was said in them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bot.sandbox.slack.call import Call, Json, Method
from bot.sandbox.slack.records import APP_ID, BOT_ID, BOT_USER, Channel, Message, User
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

T = TypeVar("T")


def _page(call: Call, everything: Sequence[T], default: int) -> tuple[list[T], Json]:
    """One page of it, and what leads to the next."""
    limit = call.number("limit", default, 1000)
    start = 0
    if call.text("cursor"):
        try:
            word, _, offset = base64.b64decode(call.text("cursor"), validate=True).partition(b":")
            if word != b"next":
                raise ValueError(word)
            start = int(offset)
        except ValueError:
            raise Refusal("invalid_cursor") from None
    end = start + limit
    cursor = base64.b64encode(f"next:{end}".encode()).decode() if end < len(everything) else ""
    return list(everything[start:end]), {"response_metadata": {"next_cursor": cursor}}


# --- the bot itself -----------------------------------------------------------------------------


def auth_test(ws: Workspace, _call: Call) -> Json:
    return {
        "ok": True,
        "url": f"https://{ws.domain}.slack.com/",
        "team": ws.name,
        "user": ws.bot.name,
        "team_id": ws.team,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def team_info(ws: Workspace, call: Call) -> Json:
    if call.text("team") not in ("", ws.team):
        raise Refusal("team_not_found")
    team = {"id": ws.team, "name": ws.name, "domain": ws.domain, "email_domain": "", "icon": {}}
    return {"ok": True, "team": team}


def bots_info(ws: Workspace, call: Call) -> Json:
    if call.required("bot") != BOT_ID:
        raise Refusal("bot_not_found")
    bot = {
        "id": BOT_ID,
        "deleted": False,
        "name": ws.bot.real_name,
        "updated": ws.bot.updated,
        "app_id": APP_ID,
        "user_id": BOT_USER,
        "icons": {},
    }
    return {"ok": True, "bot": bot}


# --- people and groups -----------------------------------------------------------------------------


def _shown_user(ws: Workspace, call: Call, user: User) -> Json:
    return user.payload(ws.team, with_email="users:read.email" in call.scopes)


def users_info(ws: Workspace, call: Call) -> Json:
    user = ws.users.get(call.required("user"))
    if user is None:
        raise Refusal("user_not_found")
    met = any({user.id, BOT_USER} <= set(c.members) for c in ws.channels.values())
    if user.team != ws.team and not met:
        raise Refusal("user_not_visible")
    return {"ok": True, "user": _shown_user(ws, call, user)}


def users_list(ws: Workspace, call: Call) -> Json:
    own = [user for user in ws.users.values() if user.team == ws.team]
    page, more = _page(call, own, 1000)
    members = [_shown_user(ws, call, user) for user in page]
    return {"ok": True, "members": members, "cache_ts": ws.seconds(), **more}


def usergroups_list(ws: Workspace, call: Call) -> Json:
    if ws.free_plan:
        raise Refusal("plan_upgrade_required")
    shown = [
        group.payload(ws.team, with_users=call.flag("include_users"))
        for group in ws.usergroups.values()
        if not group.disabled or call.flag("include_disabled")
    ]
    return {"ok": True, "usergroups": shown}


def usergroups_users_list(ws: Workspace, call: Call) -> Json:
    name = call.required("usergroup")
    if ws.free_plan:
        raise Refusal("plan_upgrade_required")
    group = ws.usergroups.get(name)
    if group is None or (group.disabled and not call.flag("include_disabled")):
        raise Refusal("no_such_subteam")
    return {"ok": True, "users": list(group.users)}


# --- channels ----------------------------------------------------------------------------------------


def _visible(ws: Workspace, call: Call, what: str) -> Channel:
    """The channel of a call, if the bot may see it at all."""
    channel = ws.channels.get(call.required("channel"))
    if channel is None:
        raise Refusal("channel_not_found")
    call.need(f"{channel.kind}:{what}")
    if channel.private and BOT_USER not in channel.members:
        raise Refusal("channel_not_found")
    return channel


def conversations_info(ws: Workspace, call: Call) -> Json:
    channel = _visible(ws, call, "read")
    shown = channel.payload(ws.team, is_member=BOT_USER in channel.members)
    if call.flag("include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"ok": True, "channel": shown}


def conversations_members(ws: Workspace, call: Call) -> Json:
    page, more = _page(call, _visible(ws, call, "read").members, 100)
    return {"ok": True, "members": page, **more}


_KINDS = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


def users_conversations(ws: Workspace, call: Call) -> Json:
    types = (call.text("types") or "public_channel").split(",")
    if any(one not in _KINDS for one in types):
        raise Refusal("invalid_types")
    kinds = [_KINDS[one] for one in types]
    for kind in kinds:
        call.need(f"{kind}:read")
    user = call.text("user") or BOT_USER
    found = [
        channel
        for channel in ws.channels.values()
        if channel.kind in kinds
        and user in channel.members
        and (BOT_USER in channel.members or not channel.private)
        and not (channel.archived and call.flag("exclude_archived"))
    ]
    page, more = _page(call, found, 100)
    shown = [c.payload(ws.team, is_member=BOT_USER in c.members) for c in page]
    return {"ok": True, "channels": shown, **more}


def conversations_open(ws: Workspace, call: Call) -> Json:
    users = [one for one in call.text("users").split(",") if one]
    if call.text("channel"):
        channel = ws.channels.get(call.text("channel"))
        if channel is None or channel.im_with is None:
            raise Refusal("channel_not_found")
        users = [channel.im_with]
    if not users:
        raise Refusal("users_list_not_supplied")
    if len(users) > 1 or users == [BOT_USER]:
        raise Refusal("invalid_user_combination")
    user = ws.users.get(users[0])
    if user is None:
        raise Refusal("user_not_found")
    if user.deleted:
        raise Refusal("user_disabled")
    channel = ws.open_dm(user.id)
    shown: Json = {"id": channel.id}
    if call.flag("return_im"):
        shown = channel.payload(ws.team, is_member=True)
    return {"ok": True, "channel": shown}


# --- what was said --------------------------------------------------------------------------------


def _readable(ws: Workspace, call: Call) -> Channel:
    channel = _visible(ws, call, "history")
    if BOT_USER not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _between(call: Call, messages: list[Message]) -> list[Message]:
    """Those after `oldest` and before `latest`; the bounds count with `inclusive`."""
    oldest, latest = _bound(call, "oldest", 0), _bound(call, "latest", 2**62)
    edge = call.flag("inclusive")
    found = []
    for message in messages:
        at = _micros(message.ts)
        if oldest < at < latest or (edge and at in (oldest, latest)):
            found.append(message)
    return found


def _bound(call: Call, name: str, default: int) -> int:
    try:
        return _micros(call.text(name)) if call.text(name) else default
    except ValueError:
        raise Refusal(f"invalid_ts_{name}") from None


def _micros(ts: str) -> int:
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def _said(ws: Workspace, call: Call, message: Message) -> Json:
    shown = message.payload(metadata=call.flag("include_all_metadata"))
    replies = ws.replies(message.channel, message.ts)
    if replies:
        writers: list[Any] = list(dict.fromkeys(reply.user for reply in replies))
        shown |= {
            "reply_count": len(replies),
            "reply_users": writers,
            "reply_users_count": len(writers),
            "latest_reply": replies[-1].ts,
        }
    elif message.thread_ts == message.ts:
        del shown["thread_ts"]
    if message.thread_ts not in (None, message.ts):
        parent = ws.message(message.channel, str(message.thread_ts))
        shown["parent_user_id"] = parent.user if parent else ""
    return shown


def conversations_history(ws: Workspace, call: Call) -> Json:
    channel = _readable(ws, call)
    newest_first = _between(call, ws.timeline(channel.id))[::-1]
    page, more = _page(call, newest_first, 100)
    shown = [_said(ws, call, message) for message in page]
    has_more = bool(more["response_metadata"]["next_cursor"])
    return {"ok": True, "messages": shown, "has_more": has_more, "pin_count": 0, **more}


def conversations_replies(ws: Workspace, call: Call) -> Json:
    channel = _readable(ws, call)
    parent = ws.message(channel.id, call.required("ts"))
    if parent is None:
        raise Refusal("thread_not_found")
    # The parent comes along whatever the bounds say; a reply's own ts answers just that reply.
    found = [parent, *_between(call, ws.replies(channel.id, parent.ts))]
    page, more = _page(call, found, 1000)
    shown = [_said(ws, call, message) for message in page]
    has_more = bool(more["response_metadata"]["next_cursor"])
    return {"ok": True, "messages": shown, "has_more": has_more, **more}


METHODS: Mapping[str, Method] = {
    "auth.test": Method(auth_test, per_minute=600),
    "team.info": Method(team_info, "team:read", per_minute=50),
    "bots.info": Method(bots_info, "users:read", per_minute=50),
    "users.info": Method(users_info, "users:read"),
    "users.list": Method(users_list, "users:read", per_minute=20),
    "users.conversations": Method(users_conversations, per_minute=50),
    "usergroups.list": Method(usergroups_list, "usergroups:read", per_minute=20),
    "usergroups.users.list": Method(usergroups_users_list, "usergroups:read", per_minute=20),
    "conversations.info": Method(conversations_info, per_minute=50),
    "conversations.members": Method(conversations_members),
    "conversations.open": Method(conversations_open, "im:write", per_minute=50),
    "conversations.history": Method(conversations_history, per_minute=50),
    "conversations.replies": Method(conversations_replies, per_minute=50),
}
