"""What people may do about one request, from filing to its end. A seed chooses which, and when."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.sandbox.platform_seeds import Account
from bot.sandbox.slack.records import Message

from .clients import AGENTS, BOTH, COOL_OFF, LEAVERS, LEGAL, SAFETY, STRANGERS, TWINS, Town
from .journal import ID

FOLLOWERS = {"top": 2_000_000, "two": 200_000, "standard": 20}


@dataclass
class Case:
    """One account, and its first request."""

    town: Town
    tier: str
    account: Account
    agent: str
    card: Message

    async def pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self.town.rng.uniform(least, most))

    async def around_eta(self) -> None:
        """About when the cool-off ends, if it began just now."""
        await self.pause(COOL_OFF[self.tier] / 1000 - 0.6, COOL_OFF[self.tier] / 1000 + 0.4)

    async def quorum(self) -> bool:
        return await self.town.insist(self.card, self.tier)

    async def press(self, who: str, what: str, stale: bool = False) -> None:
        await self.town.press(who, what, self.card, stale)

    def objector(self) -> str:
        return self.town.rng.choice([*SAFETY, *LEGAL])


Story = Callable[[Case], Awaitable[None]]
STORIES: dict[Story, float] = {}  # with how often each is told


def story(weight: float) -> Callable[[Story], Story]:
    def register(function: Story) -> Story:
        STORIES[function] = weight
        return function

    return register


@story(40)
async def it_runs(case: Case) -> None:
    await case.quorum()


@story(10)
async def it_is_undone(case: Case) -> None:
    town = case.town
    if not await case.quorum():
        return
    done = await town.until(lambda: "Executed" in case.card.text or "executed" in case.card.text, 9)
    if not done:
        return
    if town.rng.random() < 0.6:
        await case.press(town.reviewer(), "restore")
    elif await town.file(case.agent, case.account, "/request-restore"):
        card = await town.card(case.account.handle, nth=1)
        if card is not None:
            await town.press(town.reviewer(), "approve", card)


@story(5)
async def it_is_vetoed(case: Case) -> None:
    await case.press(case.objector(), "veto")


@story(7)
async def it_is_vetoed_while_it_cools_off(case: Case) -> None:
    await case.quorum()
    await case.pause(0, 0.5)
    await case.press(case.objector(), "veto")


@story(9)
async def it_is_vetoed_at_the_last_moment(case: Case) -> None:
    await case.quorum()
    await case.around_eta()
    await case.press(case.objector(), "veto")


@story(5)
async def it_is_withdrawn(case: Case) -> None:
    if case.town.rng.random() < 0.5:
        await case.quorum()
        await case.around_eta()
    await case.press(case.agent, "withdraw")


@story(6)
async def somebody_changes_their_mind(case: Case) -> None:
    town, who = case.town, case.town.rng.choice(LEGAL)
    await case.press(who, "approve")
    if case.tier != "standard":
        await case.press(town.reviewer(), "approve")
    if town.rng.random() < 0.5:
        await case.around_eta()
    else:
        await case.pause(0, 0.5)
    await case.press(who, "retract")
    if town.rng.random() < 0.5:
        await case.pause(0, 1)
        await case.press(who, "approve")


@story(3)
async def nobody_cares(case: Case) -> None:
    pass


@story(5)
async def the_requester_approves(case: Case) -> None:
    for _ in range(2):
        await case.press(case.agent, "approve")
        await case.pause(0, 1)


@story(5)
async def one_person_comes_twice(case: Case) -> None:
    for who in case.town.rng.choice(TWINS):
        await case.press(who, "approve")


@story(3)
async def strangers_try(case: Case) -> None:
    for who in STRANGERS:
        await case.press(who, case.town.rng.choice(["approve", "veto"]))


@story(8)
async def somebody_is_late(case: Case) -> None:
    """They click on what they still see, when it is over."""
    town = case.town
    seen = town.look(case.card)
    if town.rng.random() < 0.7:
        await case.press(case.objector(), "veto")
    else:
        await case.press(case.agent, "withdraw")
    await case.pause(0, 1)
    for _ in range(2):
        await town.press(town.rng.choice(LEGAL), "approve", seen, stale=True)
        await town.press(town.reviewer(), "approve", seen, stale=True)


@story(6)
async def the_account_is_renamed(case: Case) -> None:
    await case.quorum()
    case.town.rename(case.account, f"other{case.account.handle}")


@story(3)
async def who_left_the_group_approves(case: Case) -> None:
    for who in LEAVERS:
        await case.press(who, "approve")


@story(3)
async def a_retracted_approval_comes_again(case: Case) -> None:
    """The very bytes of an approval that was taken back."""
    town, who = case.town, case.town.rng.choice(LEGAL)
    await case.press(who, "approve")
    (id, *_) = ID.findall(case.card.text)
    clicks = [
        d
        for d in town.slack.deliveries
        if d.payload.get("user", {}).get("id") == who
        and (d.kind == "view_submission" or d.payload["actions"][0]["action_id"] == "approve")
        and f"{id}." in str(d.payload)
    ]
    await case.press(who, "retract")
    for delivery in clicks[-1:]:
        await town.slack.redeliver(delivery)


AT_LEAST_TWO = {one_person_comes_twice}
BY_A_REVIEWER = {the_requester_approves}
BY_ONE = {the_requester_approves, strangers_try, who_left_the_group_approves}


async def tell(town: Town, agents: "asyncio.Queue[str]") -> None:
    """One request, from beginning to end."""
    rng = town.rng
    (chosen,) = rng.choices([*STORIES], [*STORIES.values()])
    if rng.random() < 0.5:
        chosen = next((s for s in STORIES if s.__name__ == town.favourite), chosen)
    (tier,) = rng.choices(["standard", "two", "top"], [8, 1.2, 0.8])
    if chosen in AT_LEAST_TWO:
        tier = "two"
    elif chosen in BY_ONE:
        tier = "standard"
    account = town.account(FOLLOWERS[tier])
    seat = await agents.get()
    agent = rng.choice(BOTH) if chosen in BY_A_REVIEWER else seat
    try:
        heard = await town.file(agent, account)
    finally:
        agents.put_nowait(seat)
    if not heard:
        return
    card = await town.card(account.handle)
    if card is not None:
        await chosen(Case(town, tier, account, agent, card))


def seats() -> "asyncio.Queue[str]":
    """The agents who are at their desks."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    for agent in AGENTS:
        queue.put_nowait(agent)
    return queue
