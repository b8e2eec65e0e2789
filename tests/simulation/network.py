"""The way between a process and everybody else: it takes time, and loses requests and answers."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .world import World

R = TypeVar("R")


class NotSent(Exception):
    """It never left."""


class Lost(Exception):
    """No answer came; it may have arrived."""


class Busy(Exception):
    """The other side asks for a pause, of so many ms."""

    def __init__(self, pause: int) -> None:
        super().__init__("too many requests")
        self.pause = pause


class Network:
    """One way to one other side. `late`: how long (s) a request may be under way at most."""

    def __init__(self, world: "World", name: str, late: float) -> None:
        self._world = world
        self.name = name
        self._late = late
        self.bad = False  # a storm

    async def call(self, what: str, act: Callable[[], R], pauses: bool = False) -> R:
        """Have `act` happen on the other side; what it raises there comes back as an answer."""
        world = self._world
        by = world.running
        if by is None or not by.alive:
            raise asyncio.CancelledError
        chance, timeline = world.chance, world.timeline
        answer: asyncio.Future[R] = by.loop.create_future()

        def told(result: R | None, error: Exception | None) -> None:
            if answer.done() or not by.alive:
                return
            if error is None:
                answer.set_result(result)  # type: ignore[arg-type]
            else:
                answer.set_exception(error)

        fate = chance.random()
        wrong = 0.0 if world.calm else 0.35 if self.bad else 0.02
        if fate < wrong * 0.25:
            timeline.after(chance.uniform(0.001, 0.1), lambda: told(None, NotSent(what)))
            return await answer
        if pauses and fate < wrong * 0.4:
            pause = chance.choice((1_000, 1_000, 5_000, 30_000))
            timeline.after(chance.uniform(0.01, 0.1), lambda: told(None, Busy(pause)))
            return await answer
        arrives = fate >= wrong * 0.6
        answers = fate >= wrong
        there = chance.uniform(0.002, 0.06)
        if not world.calm and chance.random() < (0.2 if self.bad else 0.01):
            there = chance.uniform(0.06, self._late)
        back = chance.uniform(0.002, 0.06)
        gives_up = chance.choice((0.5, 3.0, 60.0))  # the last one: nothing is ever heard

        def arrive() -> None:
            world.note(f"{self.name} {what} of {by.name}")
            result: R | None = None
            error: Exception | None = None
            try:
                result = act()
            except Exception as e:  # noqa: BLE001 - the other side's answer
                error = e
            if answers:
                timeline.after(back, lambda: told(result, error))

        if arrives:
            timeline.after(there, arrive)
        if not answers:
            timeline.after(there + gives_up, lambda: told(None, Lost(what)))
        if not world.calm and chance.random() < world.deadliness:
            # somewhere on the way, or right after the answer
            timeline.after(chance.uniform(0, there + back), lambda: world.dies(by))
        return await answer
