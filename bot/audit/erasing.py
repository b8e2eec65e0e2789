"""Erasing what is held of one subject, on the machine: see docs/how-to/erase-a-person.md."""

import secrets
from dataclasses import dataclass

from bot.core.commands import HOST, Erase, EraseQueries
from bot.core.decide import Refused, decide
from bot.core.events import PolicyAdopted
from bot.core.facts import Facts
from bot.core.policy import Policy
from bot.store import erase, ledger
from bot.store.erase import Found
from bot.store.facts import complete
from bot.store.tx import StoreError, Tx

_TOLD = 5  # requests that stand in the way


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be erased, and what would not be though it names the subject."""

    found: Found
    elsewhere: tuple[str, ...]


def plan(tx: Tx, name: str) -> Plan:
    """What there is of the subject that goes by `name`. Raises Several."""
    found = erase.find(tx, name)
    return Plan(found, erase.elsewhere(tx, found))


def erase_on_host(tx: Tx, user: str, name: str, reason: str, now: int) -> Found:
    """Erase it, all of it or nothing; what was erased. It holds for good once `tx` is committed.

    Raises Several, and Refused where the reason would not do or a request has to keep its values.
    """
    found = erase.find(tx, name)
    if (name_in_it := found.named_in(reason)) is not None:
        raise Refused(f"The reason is kept, and names the account: say it without “{name_in_it}”.")
    policy, by = _policy(tx), f"{HOST}{user}"
    commands = [Erase(by, id, reason) for id in found.requests]
    kept = [why for command in commands if (why := _erase(tx, command, policy, now)) is not None]
    if kept:
        more = [f"… and {len(kept) - _TOLD} more."] if len(kept) > _TOLD else []
        newest = kept[::-1][:_TOLD]  # the one that is open is the last, and keeps all others
        raise Refused("\n".join(["Nothing was erased.", *newest, *more]))
    if found.queries:
        asked = EraseQueries(by, found.queries, reason)
        ledger.append(tx, ledger.AUDIT, None, decide(None, asked, _facts(policy), now))
    erase.drop_drafts(tx, found)
    return found


def _erase(tx: Tx, command: Erase, policy: Policy, now: int) -> str | None:
    """Why the request has to keep its values, if it has to."""
    request = ledger.request(tx, command.request)
    facts = complete(tx, _facts(policy), request, None, command.by, now)
    try:
        events = decide(request, command, facts, now)
    except Refused as e:
        return str(e)
    ledger.append(tx, command.request, request, events)
    return None


def _policy(tx: Tx) -> Policy:
    adopted = [e for _, e in ledger.events(tx, ledger.POLICY) if isinstance(e, PolicyAdopted)]
    if not adopted:
        raise StoreError("There is no trail yet: the bot has not run on this database.")
    return adopted[-1].policy.open


def _facts(policy: Policy) -> Facts:
    return Facts(origin="", policy=policy, seed=secrets.token_hex(32))  # a seed is used once
