"""Asking the trail, by people in Slack and on the machine: no answer without its entry."""

import secrets
from typing import TypeVar

from bot.audit.answer import PAGE_SIZE, Answer, answer
from bot.audit.exporting import Exporter
from bot.audit.query import Ask, BadQuery, parse
from bot.core.commands import HOST, Query
from bot.core.decide import Refused, decide
from bot.core.events import PolicyAdopted
from bot.core.facts import Facts
from bot.core.rules import Act
from bot.engine import Engine
from bot.ports import Clock
from bot.store import ledger
from bot.store.tx import StoreError, Tx, Visit

R = TypeVar("R")


async def ask(
    engine: Engine,
    by: str,
    text: str,
    *,
    delivery: str,
    page: int = 1,
    asked: int | None = None,
    exports: Exporter | None = None,
) -> Answer:
    """What a person in Slack is answered; `asked` (ms) is when the first page was asked for,
    `exports` makes the file that an export asks for.

    Raises BadQuery, and Refused for whoever may not ask and for a delivery that was answered.
    """
    now = engine.clock.now()
    query = parse(text, now if asked is None else asked)
    mine, export = query.ask is Ask.MINE, query.ask is Ask.EXPORT
    why = await engine.objection(Act.QUERY_MINE if mine else Act.QUERY, by)
    if why is not None:
        raise Refused(why)  # before anything is looked up
    if export:
        assert exports is not None
        await exports.refuse(query)
    found = await engine.store.run(lambda tx: answer(tx, query, now, page, by=by))
    done = await engine.handle(Query(by, found.asked, found.named, mine, export), delivery)
    if done.duplicate:  # it was decided, and recorded, only the first time
        raise Refused("This was answered already. Please ask again.")
    return found


def ask_on_host(
    store: Visit, clock: Clock, user: str, text: str, page: int = 1, page_size: int = PAGE_SIZE
) -> Answer:
    """What `user` of this machine is answered on the command line, while the bot runs or not.

    Raises BadQuery, and StoreError where the query cannot be recorded.
    """

    def script(tx: Tx) -> Answer:
        now = clock.now()
        query = parse(text, now)
        if query.ask is Ask.EXPORT:
            raise BadQuery("On this machine: nolone audit export FILE --format jsonl|csv.")
        found = answer(tx, query, now, page, page_size)
        facts = facts_on_host(tx)
        command = Query(f"{HOST}{user}", found.asked, found.named)
        ledger.append(tx, ledger.AUDIT, None, decide(None, command, facts, now))
        return found

    return store.run_now(script)


def facts_on_host(tx: Tx) -> Facts:
    """What is known where neither Slack nor the policy file is asked. Raises StoreError."""
    # the ledger's own policy: the file's may be gone, or not be in force
    adopted = [e for _, e in ledger.events(tx, ledger.POLICY) if isinstance(e, PolicyAdopted)]
    if not adopted:
        raise StoreError("There is no trail yet: the bot has not run on this database.")
    return Facts(origin="", policy=adopted[-1].policy.open, seed=secrets.token_hex(32))
