"""What the sandbox's page may ask for, and nothing else."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bot.sandbox.tampering import Way

SKIP_MOST = 60 * 24 * 60  # minutes: two months


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Asked):
    """What stands on the screen: a message, or else a view."""

    channel: str = ""
    ts: str = ""
    view: str = ""


class _Act(_Asked):
    who: str


class TypeCommand(_Act):
    do: Literal["command"]
    command: Literal["/request-deactivate", "/request-restore", "/audit"]
    text: str = Field(default="", max_length=4000)
    channel: str


class Say(_Act):
    do: Literal["say"]
    text: str = Field(min_length=1, max_length=4000)
    channel: str
    thread_ts: str | None = None


class Click(_Act):
    do: Literal["click"]
    where: Where
    action_id: str
    value: str | None = None


class Choose(_Act):
    do: Literal["choose"]
    where: Where
    action_id: str
    choice: str | list[str] | None


class Fill(_Act):
    do: Literal["fill"]
    values: dict[str, str | list[str] | None]


class Submit(_Act):
    do: Literal["submit"]
    values: dict[str, str | list[str] | None] = {}


class Close(_Act):
    do: Literal["close"]


class OpenHome(_Act):
    do: Literal["home"]


Act = Annotated[
    TypeCommand | Say | Click | Choose | Fill | Submit | Close | OpenHome,
    Field(discriminator="do"),
]
ACT: TypeAdapter[Act] = TypeAdapter(Act)


class Skip(_Asked):
    """Let minutes pass, or, without any, what is left of the soonest cool-off."""

    minutes: int | None = Field(default=None, ge=1, le=SKIP_MOST)


class Tamper(_Asked):
    """Tamper with the trail behind the bot's back."""

    way: Way


class NotThere(Exception):
    """What was asked for is not on the screen; the text says what."""
