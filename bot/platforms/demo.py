"""The sandbox's own small platform, reached over HTTP like any other; on this machine only."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.actions import ActionKind, Capability, Order, Receipt, Reversibility
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.platforms import guard
from bot.platforms.alike import alike
from bot.platforms.http import BaseUrl, Http
from bot.ports import Clock, Fate, PlatformError

NAME = "demo"
_ID = re.compile(r"acct-[0-9]{1,18}")
_HANDLE = re.compile(r"[A-Za-z0-9_.-]{1,30}")


class Settings(BaseSettings):
    """`DEMO_URL` (loopback only) and `DEMO_TOKEN`."""

    model_config = SettingsConfigDict(env_prefix="DEMO_", frozen=True, hide_input_in_errors=True)

    url: BaseUrl
    token: SecretStr

    @field_validator("url")
    @classmethod
    def _loopback(cls, url: str) -> str:
        host = urlsplit(url).hostname or ""
        try:
            local = host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            local = False
        if not local:
            raise ValueError("the demo platform is for this machine only, like http://127.0.0.1:80")
        return url


class _Account(BaseModel):
    """An account in the API. Whatever may be left out is None, which is: unknown."""

    id: str
    handle: str
    state: AccountState
    since: int | None = None  # ms
    by: str | None = None
    key: str | None = None  # of the call that brought it into its state
    display_name: str | None = None
    followers: int | None = None
    verified: bool | None = None
    created_at: int | None = None  # ms
    roles: frozenset[str] | None = None
    legal_hold: bool | None = None


class _Accounts(BaseModel):
    accounts: tuple[_Account, ...]


class _Me(BaseModel):
    id: str


class _Public(BaseModel):
    """A profile as anybody sees it."""

    id: str


class Demo:
    """A Platform. An account is `acct-<digits>`; its handle may change, and look like an id."""

    name = NAME
    capabilities: Mapping[ActionKind, Capability] = {
        kind: Capability(reversibility=Reversibility.LOSSLESS, idempotent=True)
        for kind in (ActionKind.DEACTIVATE, ActionKind.RESTORE)
    }
    facts = frozenset(
        {
            "since",
            "by",
            "display_name",
            "followers",
            "verified",
            "created_at",
            "roles",
            "legal_hold",
            "profile_url",
        }
    )

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._url = settings.url
        self._clock = clock
        self._http = Http(NAME, settings.url, settings.token, missing=_is_missing)
        self._own_id: str | None = None

    async def find(self, handle: str) -> Snapshot | None:
        handle = handle.strip().removeprefix("@")
        if not _HANDLE.fullmatch(handle):
            return None
        what = "look up a handle"
        found = await self._http.read(_Account, what, "api", "accounts", "by-handle", handle)
        return None if found is None else await self._snapshot(found)

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        found = await self._account(subject)
        return None if found is None else await self._snapshot(found)

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        handle = handle.strip().removeprefix("@")
        found = await self._http.read(
            _Accounts, "search accounts", "api", "accounts", query={"search": handle}
        )
        return [
            await self._snapshot(account)
            for account in (found.accounts if found else ())
            if account.handle.casefold() != handle.casefold() and alike(account.handle, handle)
        ]

    async def apply(self, order: Order) -> Receipt:
        guard.seconds_left(order, self._clock)
        guard.admit(order, await self.fetch(order.subject), self.facts)
        verb = order.action.value
        answer = await self._http.write(
            "POST",
            _Account,
            f"{verb} an account",
            *("api", "accounts", order.subject.id, verb),
            body={},
            headers={"Idempotency-Key": order.key},
            within=guard.seconds_left(order, self._clock),
        )
        if answer.body.id != order.subject.id:
            raise PlatformError(
                f"{NAME}: it answered about another account than the one in the order",
                Fate.UNCLEAR,
            )
        return Receipt(
            answer=f"POST {verb}: {answer.status}, {answer.body.state.value}", at=self._clock.now()
        )

    async def observe(self, subject: SubjectId) -> Observed:
        """Seen on the public profile; the API is asked only who did it, and whether it exists."""
        surface = "public profile page"
        account = await self._account(subject)
        if account is None:  # nobody's: that no profile is seen is no evidence of anything
            return Observed(state=AccountState.UNKNOWN, surface=surface, at=self._clock.now())
        profile = await self._http.read(
            _Public,
            "look at a public profile",
            *("api", "public", "id", subject.id),
            public=True,
        )
        state = AccountState.DEACTIVATED if profile is None else AccountState.ACTIVE
        if profile is None and account.state is AccountState.ERASED:
            state = AccountState.ERASED
        told = account.state is state  # else what the API tells is about something else
        return Observed(
            state=state,
            surface=surface,
            at=self._clock.now(),
            by=account.by if told else None,
            key=account.key if told else None,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _account(self, subject: SubjectId) -> _Account | None:
        if subject.platform != NAME or not _ID.fullmatch(subject.id):
            return None
        account = await self._http.read(
            _Account, "look up an account", "api", "accounts", subject.id
        )
        if account is not None and account.id != subject.id:
            raise PlatformError(f"{NAME}: it answered about another account", Fate.NOT_SENT)
        return account

    async def _snapshot(self, account: _Account) -> Snapshot:
        if self._own_id is None:
            me = await self._http.read(_Me, "ask whose token we have", "api", "me")
            if me is None:
                raise PlatformError(f"{NAME}: our own account is gone", Fate.NOT_SENT)
            self._own_id = me.id
        return Snapshot(
            subject=SubjectId(platform=NAME, id=account.id),
            at=self._clock.now(),
            is_bot_itself=account.id == self._own_id,
            profile_url=f"{self._url}/@{account.handle}",
            **account.model_dump(exclude={"id", "key"}),
        )


def _is_missing(body: Mapping[str, Any]) -> bool:
    return body.get("error") == "no_such_account"


def create(clock: Clock) -> Demo:
    """The platform as the environment describes it; pydantic's ValidationError if it does not."""
    return Demo(Settings(), clock)
