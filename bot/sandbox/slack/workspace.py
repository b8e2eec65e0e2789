"""The state of a Slack workspace: people, channels, messages, modals. It knows nothing of HTTP."""

from collections.abc import Callable, Iterable
from typing import Any

from bot.ports import Clock
from bot.sandbox.slack.blocks import with_ids
from bot.sandbox.slack.modals import Modals
from bot.sandbox.slack.records import (
    BOT_USER,
    SLACKBOT,
    Channel,
    Json,
    Message,
    OtherApp,
    User,
    Usergroup,
    View,
)
from bot.sandbox.slack.tickets import Tickets


class Workspace:
    def __init__(self, clock: Clock, team: str) -> None:
        self.clock = clock
        self.team = team
        self.name = "Sandbox"
        self.domain = "sandbox"
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, Usergroup] = {}
        self.free_plan = False
        """A workspace on a free plan has no user groups: `plan_upgrade_required`."""
        self.charts_taken = True
        """Whether messages take `data_visualization` and `data_table`, which not every workspace
        has yet: without, they are `invalid_blocks`."""
        self.edit_window: int | None = None
        """For how long (ms) the workspace lets a message be edited; None: for ever."""
        self.strict = True
        """Refuse what Slack takes, but no app of ours should send: blocks without a top-level text,
        which is what notifications and screen readers have; and an answer to a click that does not
        say `replace_original`, whose default differs from one page of Slack's manual to the next."""
        self.on_change: list[Callable[[], None]] = []
        self.on_event: list[Callable[[Json], None]] = []
        self.modals = Modals(clock, team, self.changed)
        self.tickets = Tickets(clock)
        self._private: dict[str, list[Message]] = {}
        self._last_ts = 0
        self._ids = 0
        self.bot = self.add_user(BOT_USER, "nolone", real_name="No Lone Zone", is_bot=True)

    # --- making it ---------------------------------------------------------------------------

    def add_user(
        self,
        id: str,
        name: str,
        *,
        real_name: str | None = None,
        email: str | None = None,
        team: str | None = None,
        tz: str = "Europe/Brussels",
        is_bot: bool = False,
        is_restricted: bool = False,
        is_ultra_restricted: bool = False,
        deleted: bool = False,
        is_owner: bool = False,
        is_admin: bool = False,
        grid_id: str | None = None,
    ) -> User:
        self.users[id] = user = User(
            id,
            name,
            team or self.team,
            real_name or name.title(),
            email=email,
            tz=tz,
            is_bot=is_bot,
            is_restricted=is_restricted,
            is_ultra_restricted=is_ultra_restricted,
            deleted=deleted,
            is_owner=is_owner,
            is_admin=is_admin,
            grid_id=grid_id,
            updated=self.seconds(),
        )
        self.changed()
        return user

    def add_channel(
        self,
        id: str,
        name: str,
        *,
        private: bool = True,
        members: Iterable[str] = (),
        with_bot: bool = True,
        shared_externally: bool = False,
        pending_shared: bool = False,
        shared_in_org: bool = False,
        archived: bool = False,
    ) -> Channel:
        """The bot is a member too, unless `with_bot=False`."""
        everyone = [*members, *([BOT_USER] if with_bot else [])]
        self.channels[id] = channel = Channel(
            id,
            name,
            private,
            list(dict.fromkeys(everyone)),
            shared_externally,
            pending_shared,
            shared_in_org,
            archived,
            created=self.seconds(),
        )
        self.changed()
        return channel

    def add_usergroup(self, id: str, handle: str, users: Iterable[str] = ()) -> Usergroup:
        self.usergroups[id] = group = Usergroup(id, handle, list(users), date_update=self.seconds())
        self.changed()
        return group

    # --- what people do to it, with the events that Slack sends ---------------------------------

    def set_usergroup(self, id: str, users: Iterable[str]) -> None:
        group = self.usergroups[id]
        before, after = group.users, list(users)
        group.users, group.date_update = after, self.seconds()
        added = [u for u in after if u not in before]
        removed = [u for u in before if u not in after]
        self.event(
            {
                "type": "subteam_members_changed",
                "subteam_id": id,
                "team_id": self.team,
                "date_previous_update": group.date_update,
                "date_update": group.date_update,
                "added_users": added,
                "added_users_count": len(added),
                "removed_users": removed,
                "removed_users_count": len(removed),
            }
        )

    def disable_usergroup(self, id: str, disabled: bool = True) -> None:
        group = self.usergroups[id]
        group.disabled = disabled
        shown = group.payload(self.team, with_users=True)
        self.event({"type": "subteam_updated", "subteam": shown})

    def user_change(self, id: str, **changes: Any) -> User:
        """Change what is known of a person: `deleted=True`, `is_restricted=True`, `name=…`."""
        user = self.users[id]
        for name, value in changes.items():
            if not hasattr(user, name):
                raise AttributeError(name)
            setattr(user, name, value)
        user.updated = self.seconds()
        self.event({"type": "user_change", "user": user.payload(self.team, with_email=True)})
        return user

    def join(self, channel: str, user: str) -> None:
        members = self.channels[channel].members
        if user not in members:
            members.append(user)
        self.changed()

    def leave(self, channel: str, user: str) -> None:
        found = self.channels[channel]
        found.members.remove(user)
        if user == BOT_USER:
            kind = "group_left" if found.private else "channel_left"
            self.event({"type": kind, "channel": channel})
        else:
            self.event({"type": "member_left_channel", "channel": channel, "user": user})

    def archive(self, channel: str, archived: bool = True) -> None:
        found = self.channels[channel]
        found.archived = archived
        noun = "group" if found.private else "channel"
        verb = "archive" if archived else "unarchive"
        self.event({"type": f"{noun}_{verb}", "channel": channel})

    def share(self, channel: str, externally: bool = True) -> None:
        """Let another organisation into a channel, as an admin can at any time."""
        self.channels[channel].shared_externally = externally
        self.event({"type": "channel_shared", "channel": channel, "connected_team_id": "T99OTHER"})

    def lock_thread(self, channel: str, ts: str) -> None:
        self.channels[channel].locked_threads.add(ts)
        self.changed()

    def delete_message(self, channel: str, ts: str) -> None:
        """A parent with replies leaves a tombstone; anything else is gone."""
        messages = self.channels[channel].messages
        if self.replies(channel, ts):
            messages[ts] = Message(
                ts,
                channel,
                SLACKBOT,
                "This message was deleted.",
                thread_ts=ts,
                bot=False,
                tombstone=True,
            )
        else:
            del messages[ts]
        self.changed()

    # --- messages --------------------------------------------------------------------------------

    def post(
        self,
        channel: str,
        text: str,
        blocks: list[Json] | None = None,
        *,
        user: str = BOT_USER,
        metadata: Json | None = None,
        thread_ts: str | None = None,
        reply_broadcast: bool = False,
        app: OtherApp | None = None,
    ) -> Message:
        """A new message by `user`, or by another app through its webhook."""
        message = Message(
            self.next_ts(),
            channel,
            user if app is None else "",
            text,
            with_ids(blocks or [], self.fresh_id),
            metadata,
            thread_ts,
            reply_broadcast=reply_broadcast,
            bot=app is None and user == BOT_USER,
            app=app,
        )
        messages = self.channels[channel].messages
        messages[message.ts] = message
        if thread_ts is not None:
            messages[thread_ts].thread_ts = thread_ts
        self.changed()
        return message

    def whisper(
        self,
        user: str,
        channel: str,
        text: str,
        blocks: list[Json] | None = None,
        *,
        sender: str = BOT_USER,
        thread_ts: str | None = None,
    ) -> Message:
        """A message that only one person sees, until they reload."""
        message = Message(
            self.next_ts(),
            channel,
            sender,
            text,
            with_ids(blocks or [], self.fresh_id),
            thread_ts=thread_ts,
            ephemeral_to=user,
            bot=sender == BOT_USER,
        )
        self._private.setdefault(user, []).append(message)
        self.changed()
        return message

    def edit(self, message: Message, text: str | None, blocks: list[Json] | None) -> None:
        """Change what a message says; None leaves that part as it is."""
        if text is not None:
            message.text = text
        if blocks is not None:
            message.blocks = with_ids(blocks, self.fresh_id)
        if message.ephemeral_to is None:
            message.edited = {"user": BOT_USER, "ts": f"{self.seconds()}.000000"}
        self.changed()

    def unwhisper(self, message: Message) -> None:
        assert message.ephemeral_to is not None
        self._private[message.ephemeral_to].remove(message)
        self.changed()

    def message(self, channel: str, ts: str) -> Message | None:
        found = self.channels.get(channel)
        return found.messages.get(ts) if found else None

    def messages(self, channel: str) -> list[Message]:
        """What was posted to the channel itself, in order."""
        everything = self.channels[channel].messages.values()
        return [m for m in everything if m.thread_ts in (None, m.ts)]

    def timeline(self, channel: str) -> list[Message]:
        """What a reader scrolls through: `messages`, and the replies that were broadcast."""
        everything = self.channels[channel].messages.values()
        return [m for m in everything if m.thread_ts in (None, m.ts) or m.reply_broadcast]

    def replies(self, channel: str, ts: str) -> list[Message]:
        """What stands in the thread under `ts`, in order, without its parent."""
        everything = self.channels[channel].messages.values()
        return [m for m in everything if m.thread_ts == ts and m.ts != ts]

    def ephemerals(self, user: str) -> list[Message]:
        return list(self._private.get(user, []))

    def open_dm(self, user: str) -> Channel:
        """The conversation of the bot with one person."""
        channel = f"D{user[1:]}"
        if channel not in self.channels:
            self.channels[channel] = Channel(
                channel, "", members=[user, BOT_USER], im_with=user, created=self.seconds()
            )
        return self.channels[channel]

    def dm(self, user: str) -> list[Message]:
        return self.messages(f"D{user[1:]}") if f"D{user[1:]}" in self.channels else []

    def views(self, user: str) -> list[View]:
        return self.modals.stack(user)

    def home(self, user: str) -> View | None:
        return self.modals.home(user)

    # --- small things ------------------------------------------------------------------------------

    def exists(self, message: Message) -> bool:
        """Whether it was not deleted since."""
        if message.ephemeral_to is not None:
            return any(one is message for one in self._private.get(message.ephemeral_to, []))
        return self.message(message.channel, message.ts) is message

    def sees(self, user: str, message: Message) -> bool:
        """Whether this is on the person's screen: still there, in a place that they are in."""
        if message.ephemeral_to is not None:
            return message.ephemeral_to == user and self.exists(message)
        return self.exists(message) and user in self.channels[message.channel].members

    def changed(self) -> None:
        for call in self.on_change:
            call()

    def event(self, event: Json) -> None:
        self.changed()
        for call in self.on_event:
            call({**event, "event_ts": self.next_ts()})

    def seconds(self) -> int:
        return self.clock.now() // 1000

    def next_ts(self) -> str:
        """A message's name: seconds and microseconds, never the same twice."""
        self._last_ts = max(self.clock.now() * 1000, self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def fresh_id(self) -> str:
        self._ids += 1
        return f"{self._ids:05x}"
