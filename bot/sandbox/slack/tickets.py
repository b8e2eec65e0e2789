"""What Slack hands out with an interaction and takes back for a while: triggers and response URLs."""

from dataclasses import dataclass

from bot.ports import Clock
from bot.sandbox.slack.records import Message
from bot.sandbox.slack.refusal import Refusal

TRIGGER_LIFE = 3_000
RESPONSE_URL_LIFE = 30 * 60_000
RESPONSE_URL_USES = 5


@dataclass
class Trigger:
    id: str
    user: str
    view_id: str | None
    """The view that the person was in, if any; only from there may another be pushed."""
    at: int
    exchanged: bool = False


@dataclass
class ResponseUrl:
    id: str
    user: str
    channel: str
    source: Message | None
    """The message that was clicked on; a command has none."""
    at: int
    uses: int = 0


class Tickets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._triggers: dict[str, Trigger] = {}
        self._urls: dict[str, ResponseUrl] = {}

    def trigger(self, user: str, view_id: str | None = None) -> str:
        number = len(self._triggers) + 1
        now = self._clock.now()
        one = Trigger(f"{now}.{number}.{number:032x}", user, view_id, now)
        self._triggers[one.id] = one
        return one.id

    def valid_trigger(self, trigger_id: str) -> Trigger:
        """The trigger, to be marked as exchanged: it can be used once, and for three seconds."""
        one = self._triggers.get(trigger_id)
        if one is None:
            raise Refusal(
                "invalid_trigger_id", ["[ERROR] invalid `trigger_id` [json-pointer:/trigger_id]"]
            )
        if one.exchanged:
            raise Refusal("exchanged_trigger_id")
        if self._clock.now() - one.at > TRIGGER_LIFE:
            raise Refusal("expired_trigger_id")
        return one

    def response_url(self, user: str, channel: str, source: Message | None = None) -> str:
        """The id of a new one; the server makes an address of it."""
        one = ResponseUrl(f"{len(self._urls) + 1:024x}", user, channel, source, self._clock.now())
        self._urls[one.id] = one
        return one.id

    def use_response_url(self, url_id: str) -> ResponseUrl:
        one = self._urls.get(url_id)
        if one is None:
            raise Refusal("no_such_url")
        if self._clock.now() - one.at > RESPONSE_URL_LIFE:
            raise Refusal("expired_url")
        if one.uses >= RESPONSE_URL_USES:
            raise Refusal("used_url")
        one.uses += 1
        return one
