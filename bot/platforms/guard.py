"""What every platform holds an order against, right before it is carried out."""

from collections.abc import Set

from bot.core.actions import ActionKind, Order
from bot.core.subject import AccountState, Snapshot
from bot.ports import Clock, Fate, PlatformError


def seconds_left(order: Order, clock: Clock) -> float:
    """Seconds in which the order may still be sent and answered; NOT_SENT if there are none."""
    left = order.not_after - clock.now()
    if left <= 0:
        raise PlatformError("The order has run out; nothing was sent.", Fate.NOT_SENT)
    return left / 1000


def admit(order: Order, found: Snapshot | None, facts: Set[str]) -> None:
    """Refuse (REFUSED) an order that must not reach this account, as just fetched by its id.

    `facts` are those that the platform supplies; one of them that is unknown is a refusal too.
    """
    if why := _objection(order, found, facts):
        raise PlatformError(f"Refused, and nothing was sent: {why}.", Fate.REFUSED)


def _objection(order: Order, found: Snapshot | None, facts: Set[str]) -> str | None:
    if found is None or found.subject != order.subject:
        return "there is no account with this id"
    if found.handle != order.handle:
        return "the account has another handle than the approved one"
    if found.is_bot_itself:
        return "it is the account that this bot acts with"
    if "roles" in facts and found.roles is None:
        return "it cannot be seen whether the account is an administrator's"
    if found.roles and "admin" in found.roles:
        return "the account is an administrator of the platform"
    if "legal_hold" in facts and found.legal_hold is None:
        return "it cannot be seen whether the account is under a legal hold"
    if found.legal_hold:
        return "the account is under a legal hold"
    if found.state is AccountState.ERASED:
        undo = order.action is ActionKind.RESTORE
        return f"the account is erased and cannot be {'restored' if undo else 'deactivated'}"
    return None
