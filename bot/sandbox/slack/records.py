"""What a Slack workspace is made of, each with the JSON that Slack shows of it."""

import copy
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

APP_ID = "A01NOLONE"
BOT_ID = "B01NOLONE"
BOT_USER = "U01NOLONE"
SLACKBOT = "USLACKBOT"


@dataclass
class User:
    id: str
    name: str
    team: str
    real_name: str
    email: str | None = None
    tz: str = "Europe/Brussels"
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    deleted: bool = False
    is_owner: bool = False
    is_admin: bool = False
    grid_id: str | None = None
    """The id that an Enterprise Grid gives one person across its workspaces."""
    updated: int = 0

    def payload(self, home: str, *, with_email: bool) -> Json:
        profile: Json = {
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "team": self.team,
        }
        stranger = self.team != home
        if with_email and self.email is not None and not stranger:
            profile["email"] = self.email
        if self.is_bot:
            profile |= {"api_app_id": APP_ID, "bot_id": BOT_ID, "always_active": True}
        shown: Json = {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "tz": self.tz,
            "profile": profile,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": self.updated,
        }
        if not self.deleted:
            shown |= {
                "is_admin": self.is_admin,
                "is_owner": self.is_owner,
                "is_primary_owner": False,
                "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted,
            }
        if stranger:
            shown["is_stranger"] = True
        if self.grid_id is not None:
            shown["enterprise_user"] = {
                "id": self.grid_id,
                "enterprise_id": "E01TEST",
                "teams": [self.team],
            }
        return shown


@dataclass(frozen=True)
class OtherApp:
    """An app that is not ours: it has a bot id of its own, and our token cannot touch its posts."""

    bot_id: str
    name: str


@dataclass
class Message:
    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None
    edited: Json | None = None
    reply_broadcast: bool = False
    ephemeral_to: str | None = None
    bot: bool = True
    app: OtherApp | None = None
    """Which other app posted it, through an incoming webhook; such a message has no user."""
    tombstone: bool = False
    """Deleted, but with replies: Slack leaves a stone where it stood."""
    files: list[Json] = field(default_factory=list)

    def payload(self, *, metadata: bool = True) -> Json:
        shown: Json = {"type": "message", "ts": self.ts, "text": self.text}
        if self.app is None:
            shown["user"] = self.user
        else:
            shown |= {"subtype": "bot_message", "bot_id": self.app.bot_id}
            shown["username"] = self.app.name
        if self.bot:
            shown |= {"bot_id": BOT_ID, "app_id": APP_ID}
        if self.blocks:
            shown["blocks"] = copy.deepcopy(self.blocks)
        if metadata and self.metadata:
            shown["metadata"] = copy.deepcopy(self.metadata)
        if self.thread_ts is not None:
            shown["thread_ts"] = self.thread_ts
        if self.reply_broadcast:
            shown["subtype"] = "thread_broadcast"
        if self.edited is not None:
            shown["edited"] = dict(self.edited)
        if self.tombstone:
            shown |= {"subtype": "tombstone", "hidden": True}
        if self.files:
            shown["files"] = copy.deepcopy(self.files)
        return shown


@dataclass
class Channel:
    id: str
    name: str
    private: bool = True
    members: list[str] = field(default_factory=list)
    shared_externally: bool = False
    pending_shared: bool = False
    shared_in_org: bool = False
    archived: bool = False
    im_with: str | None = None
    created: int = 0
    messages: dict[str, Message] = field(default_factory=dict)
    locked_threads: set[str] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """The word for it in scopes: `channels:read`, `groups:history`, `im:read`."""
        if self.im_with is not None:
            return "im"
        return "groups" if self.private else "channels"

    def payload(self, home: str, *, is_member: bool) -> Json:
        common: Json = {
            "id": self.id,
            "created": self.created,
            "is_archived": self.archived,
            "is_im": self.im_with is not None,
            "is_org_shared": self.shared_in_org,
            "context_team_id": home,
        }
        if self.im_with is not None:
            return {**common, "user": self.im_with, "is_user_deleted": False, "priority": 0}
        return {
            **common,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.private,
            "is_group": self.private,
            "is_mpim": False,
            "is_private": self.private,
            "is_general": False,
            "is_shared": self.shared_externally or self.shared_in_org,
            "is_ext_shared": self.shared_externally,
            "is_pending_ext_shared": self.pending_shared,
            "pending_shared": ["T99PENDING"] if self.pending_shared else [],
            "shared_team_ids": [home],
            "is_member": is_member,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass
class Usergroup:
    id: str
    handle: str
    users: list[str] = field(default_factory=list)
    disabled: bool = False
    date_update: int = 0

    def payload(self, team: str, *, with_users: bool) -> Json:
        shown: Json = {
            "id": self.id,
            "team_id": team,
            "is_usergroup": True,
            "name": self.handle,
            "handle": self.handle,
            "description": "",
            "is_external": False,
            "date_update": self.date_update,
            "date_delete": self.date_update if self.disabled else 0,
            "user_count": len(self.users),
        }
        if with_users:
            shown["users"] = list(self.users)
        return shown


@dataclass
class View:
    """An open modal, or somebody's Home."""

    id: str
    user: str
    team: str
    type: str
    content: Json
    """The parts that the app wrote: title, submit, close, private_metadata, …"""
    blocks: list[Json]
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    state: dict[str, dict[str, Json]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None
    """What Slack's client says in the modal when the app did not answer."""

    @property
    def external_id(self) -> str:
        return str(self.content.get("external_id", ""))

    @property
    def callback_id(self) -> str:
        return str(self.content.get("callback_id", ""))

    @property
    def private_metadata(self) -> str:
        return str(self.content.get("private_metadata", ""))

    def text_of(self, part: str) -> str | None:
        """What `title`, `submit` or `close` says, as the person reads it."""
        found = self.content.get(part)
        return str(found["text"]) if found else None

    def payload(self) -> Json:
        return {
            "id": self.id,
            "team_id": self.team,
            "type": self.type,
            "blocks": copy.deepcopy(self.blocks),
            "private_metadata": self.private_metadata,
            "callback_id": self.callback_id,
            "external_id": self.external_id,
            "state": {"values": copy.deepcopy(self.state)},
            "hash": self.hash,
            "title": self.content.get("title"),
            "submit": self.content.get("submit"),
            "close": self.content.get("close"),
            "clear_on_close": self.content.get("clear_on_close", False),
            "notify_on_close": self.content.get("notify_on_close", False),
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": APP_ID,
            "app_installed_team_id": self.team,
            "bot_id": BOT_ID,
        }
