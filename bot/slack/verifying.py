"""`/audit verify`: what is known within the acknowledgement, and the rest when it is known."""

import logging
from collections.abc import Callable
from typing import Any

from bot.audit.watching import Run, Watch
from bot.ledger.entry import LedgerBroken
from bot.slack.screen import Body, Screen
from bot.slack.views import verify as view
from bot.slack.views.common import Blocks
from bot.store.tx import StoreError

log = logging.getLogger(__name__)

AT_ONCE = 2.0  # s: an acknowledgement has three


class Verifying:
    def __init__(self, watch: Watch, screen: Screen, stop: Callable[[Exception], None]) -> None:
        """`stop`: nothing more may be written."""
        self._watch = watch
        self._screen = screen
        self._stop = stop

    async def reply(self, body: Body) -> dict[str, Any]:
        """The answer to somebody who may ask, and whose question is recorded."""
        return await self._reply(body, recorded=True)

    async def reply_unrecorded(self, body: Body, why: LedgerBroken) -> dict[str, Any]:
        """The same where the trail is so broken that the question could not be recorded.

        It is the one question that is answered then: what is wrong is what has to be known.
        """
        log.error("nothing more is recorded", exc_info=why)
        self._stop(why)
        return await self._reply(body, recorded=False)

    async def _reply(self, body: Body, recorded: bool) -> dict[str, Any]:
        joined = self._watch.under_way
        run = self._watch.verify()
        reply = await self._found(run, recorded, AT_ONCE)
        if reply is not None:
            return reply
        self._screen.later(self._when_done(body, run, recorded))
        return _reply(view.so_far(run, joined, recorded))

    async def _when_done(self, body: Body, run: Run, recorded: bool) -> None:
        reply = await self._found(run, recorded)
        assert reply is not None  # it was waited for
        await self._screen.answer(body, reply)

    async def _found(
        self, run: Run, recorded: bool, within: float | None = None
    ) -> dict[str, Any] | None:
        try:
            found = await run.found(within)
        except StoreError as e:
            return _reply(view.failed(str(e)))
        return None if found is None else _reply(view.whole(found, recorded))


def _reply(said: tuple[str, Blocks]) -> dict[str, Any]:
    text, blocks = said
    return {"text": text, "blocks": blocks}
