"""What one person sees of the workspace, as JSON for the page."""

from bot.sandbox.slack.records import Channel, Json, Message, View
from bot.sandbox.slack.workspace import Workspace


def screen(ws: Workspace, user_id: str) -> Json:
    mine = [c for c in ws.channels.values() if user_id in c.members]
    home = ws.home(user_id)
    return {
        "user": ws.users[user_id].payload(ws.team, with_email=True),
        "channels": [_channel(ws, c, user_id) for c in mine if c.im_with is None],
        "dm": next((_channel(ws, c, user_id) for c in mine if c.im_with == user_id), None),
        "views": [_view(view) for view in ws.views(user_id)],
        "home": _view(home) if home else None,
        "names": {
            **{user.id: user.name for user in ws.users.values()},
            **{group.id: group.handle for group in ws.usergroups.values()},
            **{channel.id: channel.name for channel in ws.channels.values() if channel.name},
        },
    }


def _channel(ws: Workspace, channel: Channel, user_id: str) -> Json:
    whispers = [m for m in ws.ephemerals(user_id) if m.channel == channel.id]
    standing = [*ws.timeline(channel.id), *(m for m in whispers if m.thread_ts is None)]
    messages = []
    for message in sorted(standing, key=lambda m: m.ts):
        private = [m for m in whispers if m.thread_ts == message.ts]
        thread = sorted([*ws.replies(channel.id, message.ts), *private], key=lambda m: m.ts)
        messages.append({**_message(ws, message), "replies": [_message(ws, m) for m in thread]})
    return {
        "id": channel.id,
        "name": channel.name,
        "private": channel.private,
        "archived": channel.archived,
        "shared_externally": channel.shared_externally,
        "members": list(channel.members),
        "messages": messages,
    }


def _message(ws: Workspace, message: Message) -> Json:
    writer = message.app or ws.users.get(message.user)
    return {
        **message.payload(),
        "channel": message.channel,
        "name": writer.name if writer else "slackbot",
        "ephemeral": message.ephemeral_to is not None,
        "broadcast": message.reply_broadcast,
    }


def _view(view: View) -> Json:
    return {**view.payload(), "errors": dict(view.errors), "trouble": view.trouble}
