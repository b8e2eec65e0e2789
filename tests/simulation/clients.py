"""People and their deliveries: clicks on the card as it stands, sent again, replayed and late."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.core.actions import ActionKind
from bot.core.commands import (
    Approve,
    Command,
    File,
    Query,
    Restore,
    Retract,
    Settle,
    Veto,
    Withdraw,
)
from bot.core.decide import Refused
from bot.core.events import Grounds
from bot.core.reasons import ReasonCode
from bot.core.subject import Snapshot
from bot.engine import Done
from bot.store.tx import StoreError

from .slack import Message

if TYPE_CHECKING:
    from .process import Process
    from .world import World

REASONS = (ReasonCode.SPAM, ReasonCode.IMPERSONATION, ReasonCode.THREATS)
Ask = Callable[["Process", str], Coroutine[Any, Any, Done]]


@dataclass
class Delivery:
    """What one person sent once, and what they heard each time that it was delivered."""

    key: str
    by: str
    kind: str  # of the event that it asks for
    stream: str  # "": a new one
    ask: Ask
    sent: int = 0
    heard: list[str] = field(default_factory=list)
    accepted: list[tuple[str, str, str, int]] = field(default_factory=list)  # stream, kind, by, at


class Clients:
    def __init__(self, world: "World") -> None:
        self._world = world
        self.deliveries: list[Delivery] = []

    # --- what they do -------------------------------------------------------------------------

    def act(self) -> None:
        """Somebody does something."""
        chance = self._world.chance
        done = chance.choices(
            (self._file, self._approve, self._veto, self._withdraw, self._retract, self._restore,
             self._ask_back, self._settle, self._query),
            (20, 46, 4, 3, 7, 8, 4, 3, 1),
        )[0]  # fmt: skip
        done()

    def _anybody(self, group: str) -> str:
        """Mostly of that group; at times somebody who is not entitled, or not any more."""
        people, chance = self._world.people, self._world.chance
        members = sorted(people.members(group))
        if members and chance.random() < 0.85:
            return chance.choice(members)
        return chance.choice(sorted(people.humans))

    def _reviewer(self) -> str:
        return self._anybody(self._world.chance.choice(("S02TRUST", "S02TRUST", "S03LEGAL")))

    def _card(self, *phases: str) -> Message | None:
        """One of the cards that show one of these phases, the newer the likelier."""
        found = self._world.cards(phases)
        return self._world.chance.choice(found) if found else None

    def _file(self) -> None:
        self._filed(self._anybody("S01AGENTS"), ActionKind.DEACTIVATE)

    def _ask_back(self) -> None:
        self._filed(self._anybody("S01AGENTS"), ActionKind.RESTORE)

    def _filed(self, by: str, action: ActionKind) -> None:
        chance = self._world.chance
        there = chance.choice([*self._world.platforms.values()])
        handle = chance.choice([*there.accounts.values()]).handle
        reason = chance.choice(REASONS)

        async def ask(process: "Process", key: str) -> Done:
            found = await process.engine.find(f"{there.name}:{handle}")
            if not isinstance(found, Snapshot):
                raise Refused("it was not found")
            if chance.random() < 0.3:  # the form stays open for a while
                clock = process.engine.clock
                await clock.wait(clock.now() + chance.randrange(400_000), process.never)
            grounds = Grounds(what_happened="simulated")
            command = File(by, action, found.subject, reason, grounds)
            return await process.engine.handle(command, key, found)

        self._send(by, "Filed", "", ask)

    def _approve(self) -> None:
        if (card := self._card("open")) is not None:
            by, stream = self._reviewer(), card.stream
            self._give(Approve(by, stream, card.round, card.digest8), "Approved", stream)
            if self._world.chance.random() < 0.2:  # a second person, at the same moment
                other = self._reviewer()
                self._give(Approve(other, stream, card.round, card.digest8), "Approved", stream)

    def _retract(self) -> None:
        if (card := self._card("open", "cooling off", "ready")) is not None:
            sent = [d for d in self.deliveries[-400:] if d.stream == card.stream]
            givers = [d.by for d in sent if d.kind == "Approved"]
            by = self._world.chance.choice(givers) if givers else self._reviewer()
            self._give(Retract(by, card.stream), "Retracted", card.stream)

    def _veto(self) -> None:
        card = self._card("open", "cooling off", "ready", "executing")
        if card is not None:
            self._give(Veto(self._reviewer(), card.stream, "no"), "Vetoed", card.stream)

    def _withdraw(self) -> None:
        if (card := self._card("open", "cooling off", "ready")) is not None:
            by = self._anybody("S01AGENTS")
            self._give(Withdraw(by, card.stream), "Withdrawn", card.stream)

    def _restore(self) -> None:
        if (card := self._card("executed", "unknown")) is not None:
            self._give(Restore(self._reviewer(), card.stream, "a mistake"), "Filed", "")

    def _settle(self) -> None:
        if (card := self._card("unknown")) is not None:
            said = Settle(self._reviewer(), card.stream, self._world.chance.random() < 0.5, "seen")
            self._give(said, "SettlementProposed", card.stream)

    def _query(self) -> None:
        self._give(Query("U09MANAGER", "stats", 0), "Queried", "audit")

    # --- deliveries ---------------------------------------------------------------------------

    def _give(self, command: Command, kind: str, stream: str) -> None:
        async def ask(process: "Process", key: str) -> Done:
            return await process.engine.handle(command, key)

        self._send(command.by, kind, stream, ask)

    def _send(self, by: str, kind: str, stream: str, ask: Ask) -> None:
        delivery = Delivery(f"d{len(self.deliveries)}", by, kind, stream, ask)
        self.deliveries.append(delivery)
        self._deliver(delivery)

    def _again(self, delivery: Delivery, within: float) -> None:
        if not self._world.calm:
            pause = self._world.chance.uniform(0, within)
            self._world.timeline.after(pause, lambda: self._deliver(delivery))

    def _deliver(self, delivery: Delivery) -> None:
        world = self._world
        if world.calm or delivery.sent >= 5:
            return
        process = world.chance.choice(world.processes)
        if not (process.alive and process.up):
            delivery.sent += 1
            self._again(delivery, 30)
            return
        delivery.sent += 1
        delivery.heard.append("nothing")
        nth = len(delivery.heard) - 1
        process.spawn(self._carry(process, delivery, nth))
        world.timeline.after(5, lambda: self._unanswered(delivery, nth))
        if world.chance.random() < 0.1:  # twice, nearly at once
            self._again(delivery, 0.05)
        if world.chance.random() < 0.05:  # replayed
            self._again(delivery, 600)

    def _unanswered(self, delivery: Delivery, nth: int) -> None:
        if delivery.heard[nth] == "nothing" and self._world.chance.random() < 0.7:
            self._again(delivery, 60)

    async def _carry(self, process: "Process", delivery: Delivery, nth: int) -> None:
        world = self._world
        try:
            done = await delivery.ask(process, delivery.key)
        except Refused as e:
            heard = "refused"
            if "Too many people" in str(e):
                heard = "refused: busy"
        except StoreError:
            heard = "failed"
            self._again(delivery, 60)
        else:
            heard = "duplicate" if done.duplicate else "accepted" if done.events else "nothing new"
            stream = done.request.id if done.request is not None else "audit"
            delivery.accepted += [(stream, e.kind, e.by, e.at) for e in done.events]
        delivery.heard[nth] = heard
        world.note(f"{delivery.key} {process.name} {heard}")
