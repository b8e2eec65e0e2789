"""How a system under test is told what to do, and what it says of it: a JSON line each, over its
input and output. Nothing but the standard library, since a peer's process has nothing of ours.

A load: so many clients, and so many requests among them. A client files a request, gives two
approvals for two people, waits until the request's end is recorded, and goes on to the next.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Load:
    clients: int
    requests: int


@dataclass(frozen=True)
class Loaded:
    took: float  # s
    cpu: float  # s of the processor, in the process
    given: dict[str, float] = field(default_factory=dict)  # when (s) each's last approval was given


def cpu() -> float:
    """Seconds of the processor that this process has had."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


async def serve(carry_out: Callable[[Load], Awaitable[Loaded]]) -> None:
    """Say that it is up; then carry out what is asked for, until nothing more can be."""
    say("up")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        say(asdict(await carry_out(Load(**json.loads(line)))))
