"""The Web API without its HTTP: who may call what, how often, and what went wrong on the way."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.slack import chat, reads, views
from bot.sandbox.slack.allowance import Allowance
from bot.sandbox.slack.call import Call, Json, Method
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

METHODS: Mapping[str, Method] = {
    **chat.METHODS,
    **reads.METHODS,
    **views.METHODS,
}

ALL_SCOPES = frozenset(
    {
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "team:read",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)


# --- what can go wrong on the way, one for each call to come ------------------------------------


@dataclass(frozen=True)
class RateLimited:
    """429, whatever the limits say."""

    retry_after: int = 3


@dataclass(frozen=True)
class ServerError:
    """A 5xx that is no JSON. `acted`: Slack did what was asked, and then failed."""

    status: int = 503
    acted: bool = False


@dataclass(frozen=True)
class TimedOut:
    """No answer: the connection is held for so many real seconds and then reset."""

    acted: bool = False
    hold: float = 0.0


@dataclass(frozen=True)
class Error:
    """Any refusal: `Error("channel_not_found")`."""

    error: str


@dataclass(frozen=True)
class Slow:
    """The right answer, but late, in real seconds."""

    seconds: float


Fault = RateLimited | ServerError | TimedOut | Error | Slow


@dataclass(frozen=True)
class ApiCall:
    """One call as it came and as it was answered; `response` is None when the answer was lost."""

    method: str
    args: Mapping[str, Any]
    response: Json | None
    at: int


class SlackApi:
    def __init__(
        self,
        ws: Workspace,
        *,
        bot_token: str,
        app_token: str,
        scopes: frozenset[str],
        burst: int,
        tiers: bool,
        more: Mapping[str, Method],
    ) -> None:
        """`more`: methods with a state of their own."""
        self.ws = ws
        self._methods = {**METHODS, **more}
        self.scopes = scopes
        self.token_error: str | None = None
        """Set to `token_revoked` or `account_inactive`: what every call is answered."""
        self._bot_token = bot_token
        self._app_token = app_token
        self._posts = Allowance(burst, 1000)
        self._tiers = {
            name: Allowance(method.per_minute, 60_000 // method.per_minute)
            for name, method in self._methods.items()
            if tiers
        }
        self._faults: dict[str, deque[Fault]] = {}

    def fail(self, method: str, *faults: Fault) -> None:
        self._faults.setdefault(method, deque()).extend(faults)

    def next_fault(self, method: str) -> Fault | None:
        waiting = self._faults.get(method)
        return waiting.popleft() if waiting else None

    def call(self, name: str, token: str, args: Mapping[str, Any]) -> Json:
        """What Slack answers; raises `TooMany` for a 429."""
        try:
            return self._call(name, token, args)
        except Refusal as refusal:
            return refusal.body()

    def check_token(self, token: str, expected: str) -> None:
        if not token:
            raise Refusal("not_authed")
        if token not in (self._bot_token, self._app_token):
            raise Refusal("invalid_auth")
        if self.token_error is not None:
            raise Refusal(self.token_error)
        if token != expected:
            raise Refusal("not_allowed_token_type")

    def _call(self, name: str, token: str, args: Mapping[str, Any]) -> Json:
        method = self._methods.get(name)
        if method is None:
            raise Refusal("unknown_method", req_method=name)
        self.check_token(token, self._bot_token)
        now = self.ws.clock.now()
        if name in self._tiers:
            self._tiers[name].take("", now)
        if name == "chat.postMessage":
            self._posts.take(str(args.get("channel")), now)
        call = Call(args, self.scopes)
        if method.scope is not None:
            call.need(method.scope)
        return method.handler(self.ws, call)
