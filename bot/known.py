"""What Slack said lately of people, groups and channels; what is not known counts for nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable

from bot.core.facts import Membership, Person
from bot.core.policy import Group
from bot.ports import Clock, Directory, DirectoryError

FRESH_FOR = 60_000  # ms that it is used


class Known:
    """The Directory's answers, for as long as they may be used.

    A group that cannot be read keeps its last members, marked as not fresh.
    """

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._people: dict[str, tuple[int, Person]] = {}
        self._groups: dict[str, tuple[int, frozenset[str]]] = {}
        self._channels: dict[str, tuple[int, str | None]] = {}

    def forget_group(self, usergroup: str) -> bool:
        if usergroup not in self._groups:
            return False
        self._groups[usergroup] = (0, self._groups[usergroup][1])
        return True

    def forget_person(self, id: str) -> bool:
        return self._people.pop(id, None) is not None

    def _fresh(self, at: int) -> bool:
        return self._clock.now() - at < FRESH_FOR

    async def refresh(
        self, people: Iterable[str], groups: Iterable[Group], channel: str | None
    ) -> None:
        """Ask for what is not known, or not fresh. What cannot be read raises nothing."""
        wanted: list[Awaitable[None]] = []
        for id in people:
            if id not in self._people or not self._fresh(self._people[id][0]):
                wanted.append(self._read_person(id))
        for usergroup in {g.usergroup for g in groups if g.usergroup is not None}:
            if usergroup not in self._groups or not self._fresh(self._groups[usergroup][0]):
                wanted.append(self._read_group(usergroup))
        if channel is not None and (
            channel not in self._channels or not self._fresh(self._channels[channel][0])
        ):
            wanted.append(self._read_channel(channel))
        if wanted:
            await asyncio.gather(*wanted)

    async def _read_person(self, id: str) -> None:
        try:
            self._people[id] = (self._clock.now(), await self._directory.person(id))
        except DirectoryError:
            self._people.pop(id, None)

    async def _read_group(self, usergroup: str) -> None:
        with contextlib.suppress(DirectoryError):  # then it stays as it was, and grows stale
            members = await self._directory.members(usergroup)
            self._groups[usergroup] = (self._clock.now(), members)

    async def _read_channel(self, channel: str) -> None:
        try:
            flaw = await self._directory.channel_flaw(channel)
        except DirectoryError as e:
            flaw = f"the review channel could not be looked at: {e}"
            self._channels[channel] = (0, flaw)
            return
        self._channels[channel] = (self._clock.now(), flaw)

    def person(self, id: str) -> Person:
        at, person = self._people.get(id, (0, Person(id, unread=True)))
        return person if self._fresh(at) else Person(id, unread=True)

    def members(self, group: Group) -> Membership:
        if group.usergroup is None:
            return Membership(group.users or frozenset())
        at, members = self._groups.get(group.usergroup, (0, frozenset()))
        return Membership(members, fresh=self._fresh(at))

    def channel_flaw(self, channel: str) -> str | None:
        at, flaw = self._channels.get(channel, (0, "the review channel could not be looked at"))
        return flaw if self._fresh(at) or flaw else "the review channel could not be looked at"
