"""The payloads that Slack sends for what a person does."""

import copy
import re
from collections.abc import Callable

from bot.sandbox.slack.records import APP_ID, BOT_USER, Json, Message, User, View
from bot.sandbox.slack.workspace import Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105 - obsolete in Slack, and here too


class Payloads:
    def __init__(self, ws: Workspace, hooks: Callable[[str], str], escape: frozenset[str]) -> None:
        self._ws = ws
        self._hooks = hooks
        """Makes an address of a path on this server."""
        self._escape = escape
        """The commands that Slack is told to escape the text of (`should_escape`)."""
        self._events = 0

    def command(self, user: User, command: str, text: str, channel: str) -> dict[str, str]:
        ws = self._ws
        found = ws.channels.get(channel)
        name = found.name if found and found.im_with is None else "directmessage"
        if found and found.private and found.im_with is None:
            name = "privategroup"
        url = ws.tickets.response_url(user.id, channel)
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": user.team,
            "team_domain": ws.domain,
            "channel_id": channel,
            "channel_name": name,
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": self._escaped(text) if command in self._escape else text,
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._hooks(f"commands/{url}"),
            "trigger_id": ws.tickets.trigger(user.id),
        }

    def message_action(self, user: User, message: Message, action: Json, state: Json) -> Json:
        ws = self._ws
        channel = ws.channels[message.channel]
        url = ws.tickets.response_url(user.id, message.channel, message)
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.ephemeral_to is not None,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        payload = {
            **self._interaction("block_actions", user),
            "container": container,
            "trigger_id": ws.tickets.trigger(user.id),
            "channel": {"id": channel.id, "name": channel.name or "directmessage"},
            "state": {"values": state},
            "response_url": self._hooks(f"actions/{url}"),
            "actions": [action],
        }
        # Slack does not keep what only one person saw, so it cannot send it back either.
        if message.ephemeral_to is None:
            payload["message"] = message.payload()
        return payload

    def view_action(self, user: User, view: View, action: Json) -> Json:
        return {
            **self._interaction("block_actions", user),
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self._ws.tickets.trigger(user.id, view.id),
            "view": view.payload(),
            "actions": [action],
        }

    def submission(self, user: User, view: View) -> Json:
        return {
            **self._interaction("view_submission", user),
            "trigger_id": self._ws.tickets.trigger(user.id, view.id),
            "view": view.payload(),
            "response_urls": [],
        }

    def closed(self, user: User, view: View, *, cleared: bool) -> Json:
        return {
            **self._interaction("view_closed", user),
            "view": view.payload(),
            "is_cleared": cleared,
        }

    def event(self, event: Json) -> Json:
        self._events += 1
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": self._ws.team,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{self._events:010d}",
            "event_time": self._ws.seconds(),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self._ws.team,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }

    def home_opened(self, user: User, tab: str = "home") -> Json:
        event: Json = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": self._ws.open_dm(user.id).id,
            "tab": tab,
            "event_ts": self._ws.next_ts(),
        }
        home = self._ws.home(user.id)
        if home is not None:
            event["view"] = home.payload()
        return self.event(event)

    def action(self, block: Json, element: Json, chosen: Json) -> Json:
        """What was clicked: the element's names, and what was chosen in it."""
        names = ("text", "value", "style") if element["type"] == "button" else ()
        said: Json = {name: copy.deepcopy(element[name]) for name in names if name in element}
        return {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            **said,
            **chosen,
            "action_ts": self._ws.next_ts(),
        }

    def _interaction(self, kind: str, user: User) -> Json:
        return {
            "type": kind,
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": user.team,
            },
            "api_app_id": APP_ID,
            "token": VERIFICATION_TOKEN,
            "team": {"id": user.team, "domain": self._ws.domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _escaped(self, text: str) -> str:
        """What `should_escape` makes of a text: mentions, channels and links in Slack's spelling."""
        users = {user.name: user.id for user in self._ws.users.values()}
        channels = {channel.name: channel.id for channel in self._ws.channels.values()}

        def link(match: re.Match[str]) -> str:
            sign, name = match[1], match[2]
            found = (users if sign == "@" else channels).get(name)
            return f"<{sign if sign == '@' else '#'}{found}|{name}>" if found else match[0]

        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        text = re.sub(r"https?://\S+", lambda match: f"<{match[0]}>", text)
        return re.sub(r"(?<![\w<])([@#])([\w.-]+)", link, text)
