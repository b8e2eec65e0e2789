"""Asking the trail, by people in Slack and on the machine: no answer without its entry."""

import secrets
from collections.abc import Callable
from typing import Protocol, TypeVar

from bot.audit.answer import PAGE_SIZE, Answer, answer
from bot.audit.query import Ask, parse
from bot.core.commands import HOST, Query
from bot.core.decide import Refused, decide
from bot.core.events import PolicyAdopted
from bot.core.facts import Facts
from bot.core.rules import Act
from bot.engine import Engine
from bot.ports import Clock
from bot.store import scripts
from bot.store.tx import StoreError, Tx

R = TypeVar("R")


class Store(Protocol):
    def run_now(self, script: Callable[[Tx], R]) -> R: ...


async def ask(
    engine: Engine,
    by: str,
    text: str,
    *,
    delivery: str,
    page: int = 1,
    asked: int | None = None,
) -> Answer:
    """What a person in Slack is answered; `asked` (ms) is when the first page was asked for.

    Raises BadQuery, and Refused for whoever may not ask and for a delivery that was answered.
    """
    now = engine.clock.now()
    query = parse(text, now if asked is None else asked)
    mine = query.ask is Ask.MINE
    why = await engine.objection(Act.QUERY_MINE if mine else Act.QUERY, by)
    if why is not None:
        raise Refused(why)  # before anything is looked up
    found = await engine.store.run(lambda tx: answer(tx, query, now, page, by=by))
    done = await engine.handle(Query(by, found.asked, found.named, mine), delivery)
    if done.duplicate:  # it was decided, and recorded, only the first time
        raise Refused("This was answered already. Please ask again.")
    return found


def ask_on_host(
    store: Store, clock: Clock, user: str, text: str, page: int = 1, page_size: int = PAGE_SIZE
) -> Answer:
    """What `user` of this machine is answered on the command line, while the bot runs or not.

    Raises BadQuery, and StoreError where the query cannot be recorded.
    """

    def script(tx: Tx) -> Answer:
        now = clock.now()
        found = answer(tx, parse(text, now), now, page, page_size)
        # the ledger's own policy: the file's may be gone, or not be in force
        adopted = [e for _, e in scripts.events(tx, scripts.POLICY) if isinstance(e, PolicyAdopted)]
        if not adopted:
            raise StoreError("There is no trail yet: the bot has not run on this database.")
        facts = Facts(origin="", policy=adopted[-1].policy.open, seed=secrets.token_hex(32))
        command = Query(f"{HOST}{user}", found.asked, found.named)
        scripts.append(tx, scripts.AUDIT, None, decide(None, command, facts, now))
        return found

    return store.run_now(script)
