"""The bot's own log before witnesses: its proofs, what it goes on from, and what it cannot hide."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from bot.anchoring import Anchoring
from bot.anchors.witness import Witnesses
from bot.ledger.note import SigningKey
from bot.ledger.trust import demanding
from bot.store.anchors import Anchored, anchored
from tests.audit.trail import Trail

from .witness import FakeWitness

KEY = SigningKey("test", b"\x01" * 32)


class Bot:
    """The part of the bot that has its log anchored; it can be started again, on another database."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.witnesses = [FakeWitness(f"w{n}.example/w") for n in (1, 2, 3)]
        self._stack = stack
        self._policy = b""

    async def open(self) -> None:
        lines = []
        for n, witness in enumerate(self.witnesses, 1):
            witness.logs["test"] = KEY.public.key
            server = await self._stack.enter_async_context(TestServer(witness.app()))
            lines.append(f"witness w{n} {witness.vkey} {server.make_url('/prefix')}\n")
        self._policy = f"{''.join(lines)}group g 2 w1 w2 w3\nquorum g\n".encode()

    def start(self, name: str = "nolone.db") -> None:
        self.trail = Trail(self.folder / name)
        self._witnesses = Witnesses(demanding(self._policy))
        self.anchoring = Anchoring(self.trail.engine, lambda: [self._witnesses], [KEY])

    async def stop(self) -> None:
        await self._witnesses.aclose()
        self.trail.close()

    async def again(self, name: str = "nolone.db") -> None:
        await self.stop()
        self.start(name)

    async def grow(self, count: int, word: str = "account") -> None:
        for n in range(count):
            await self.trail.filed(f"{word}{self.size}{n}")

    @property
    def size(self) -> int:
        ((size,),) = self.trail.store.run_now(
            lambda tx: list(tx.each("SELECT count(*) FROM entries"))
        )
        return int(str(size))

    async def round(self) -> str:
        """A minute later: what is in the way; nothing where all is anchored."""
        self.trail.clock.skip(60_000)
        await self.anchoring.round()
        return "; ".join(self.anchoring.troubles)

    def kept(self) -> Anchored:
        (found,) = self.trail.store.run_now(anchored)
        return found


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with AsyncExitStack() as stack:
        bot = Bot(tmp_path, stack)
        await bot.open()
        bot.start()
        yield bot
        await bot.stop()


async def test_each_restart_goes_on_from_what_the_witnesses_have_seen(bot: Bot) -> None:
    for more in (1, 4, 7):
        await bot.grow(more)
        assert await bot.round() == ""
        assert (bot.kept().size, bot.kept().place) == (bot.size, "3 of 3 witnesses")
        for witness in bot.witnesses:
            assert witness.seen["test"] == (bot.size, bot.kept().root)
        await bot.again()


async def test_a_quorum_that_failed_half_way_is_made_up_for_after_a_restart(bot: Bot) -> None:
    await bot.grow(3)
    assert await bot.round() == ""
    await bot.again()
    bot.witnesses[0].mood = bot.witnesses[1].mood = "drops"
    await bot.grow(3)
    assert "1 of 3 witnesses cosigned" in await bot.round()
    assert bot.kept().size == 3
    bot.witnesses[0].mood = bot.witnesses[1].mood = "well"
    await bot.again()  # the third has seen more than what is kept here, and the log has it
    assert await bot.round() == ""
    assert (bot.kept().size, bot.kept().place) == (6, "3 of 3 witnesses")


async def test_an_old_backup_is_told_at_the_first_start(bot: Bot) -> None:
    await bot.grow(3)
    assert await bot.round() == ""
    await bot.stop()
    shutil.copy(bot.folder / "nolone.db", bot.folder / "backup.db")
    bot.start()
    await bot.grow(2)
    assert await bot.round() == ""
    await bot.again("backup.db")
    trouble = await bot.round()
    assert (
        "has seen 5 entries of this log, and the checkpoint that is kept here is over 3" in trouble
    )
    await bot.grow(4, "another")  # and growing past it does not hide it
    bot.trail.store.run_now(lambda tx: tx.execute("DELETE FROM anchored"))
    for _ in range(2):
        trouble = await bot.round()
        assert "witness w1 has seen other entries than the first 5 of this log" in trouble
    assert bot.witnesses[0].seen["test"][0] == 5


async def test_another_database_under_the_same_name_and_key_is_told(bot: Bot) -> None:
    await bot.grow(3)
    assert await bot.round() == ""
    await bot.again("other.db")
    await bot.grow(2, "other")
    assert "has seen 3 entries of this log, and here are 2: it was set back" in await bot.round()
    await bot.grow(2, "other")
    assert "has seen other entries than the first 3 of this log" in await bot.round()
