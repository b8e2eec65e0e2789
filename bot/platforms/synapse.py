"""Matrix Synapse through its Admin API; seen on 1.163, and needing 1.105 for the v3 user list.

`deactivate` is Synapse's *lock*: sessions are refused, and nothing is lost. Synapse's own
"deactivate" loses the password, devices and rooms; such an account counts as erased here.

What a lock does not do: an application service goes on acting as its users, so theirs are
refused; and it does not close federation, or take anything back that was said.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.actions import ActionKind, Capability, Order, Receipt, Reversibility
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId
from bot.platforms import guard
from bot.platforms.alike import alike
from bot.platforms.http import BaseUrl, Http
from bot.ports import Clock, Fate, PlatformError

NAME = "synapse"
_ADMIN = ("_synapse", "admin")
_CLIENT = ("_matrix", "client", "v3")
_LOCALPART = re.compile(r"[\x21-\x39\x3b-\x7e]+")  # old servers have more than the spec's set now
_PAGE = 500  # users in a page of the list, about 150 KB
_PAGES = 10
_MOST_ALIKE = 20


class Settings(BaseSettings):
    """`SYNAPSE_URL`, and `SYNAPSE_TOKEN`: a server administrator's, of an account for this only."""

    model_config = SettingsConfigDict(env_prefix="SYNAPSE_", frozen=True, hide_input_in_errors=True)

    url: BaseUrl
    token: SecretStr


class _User(BaseModel):
    """What the record of one user and an entry of the list have in common."""

    name: str  # the Matrix id
    deactivated: bool
    locked: bool
    erased: bool = False
    admin: bool
    is_guest: bool = False
    user_type: str | None = None
    displayname: str | None = None
    creation_ts: int  # in the record in seconds, in the list in milliseconds

    @property
    def state(self) -> AccountState:
        if self.deactivated or self.erased:
            return AccountState.ERASED
        return AccountState.DEACTIVATED if self.locked else AccountState.ACTIVE


class _Record(_User):
    appservice_id: str | None


class _Page(BaseModel):
    users: tuple[_User, ...]
    next_token: str | None = None


class _Me(BaseModel):
    user_id: str


class _Listed(BaseModel):
    user_id: str


class _Directory(BaseModel):
    results: tuple[_Listed, ...]


class Synapse:
    """A Platform. An account's id is its Matrix id, its handle the part before the server."""

    name = NAME
    capabilities: Mapping[ActionKind, Capability] = {
        kind: Capability(reversibility=Reversibility.LOSSLESS, idempotent=True)
        for kind in (ActionKind.DEACTIVATE, ActionKind.RESTORE)
    }
    facts = frozenset({"display_name", "created_at", "roles"})

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._http = Http(NAME, settings.url, settings.token, missing=_is_missing)
        self._own_id: str | None = None
        self._was_listed: set[str] = set()  # ids seen in the user directory by this process

    async def find(self, handle: str) -> Snapshot | None:
        """`alice` or `@alice:server`. Another server's account is refused.

        Exactly as written, or else in lower case, as ids are made now.
        """
        localpart, colon, server = handle.strip().removeprefix("@").partition(":")
        ours = await self._server()
        if colon and server != ours:
            raise PlatformError(
                f"{NAME}: only accounts of {ours} can be looked up or acted on", Fate.REFUSED
            )
        for written in dict.fromkeys((localpart, localpart.lower())):
            subject = SubjectId(platform=NAME, id=f"@{written}:{ours}")
            if found := await self.fetch(subject):
                return found
        return None

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        if subject.platform != NAME or await self._localpart(subject.id) is None:
            return None
        user = await self._http.read(
            _Record, "look up an account", *_ADMIN, "v2", "users", subject.id
        )
        if user is None:
            return None
        if user.name != subject.id:
            raise PlatformError(f"{NAME}: it answered about another account", Fate.NOT_SENT)
        roles = {
            "admin": user.admin,
            "guest": user.is_guest,
            "appservice": user.appservice_id is not None,
            user.user_type: user.user_type is not None,
        }
        return await self._snapshot(
            user,
            created_at=user.creation_ts * 1000,
            roles=frozenset(role for role, held in roles.items() if role and held),
        )

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        """By the list's substring search for the handle, its beginning and its end."""
        handle = handle.strip().removeprefix("@").partition(":")[0]
        found: dict[str, _User] = {}
        for part in dict.fromkeys((handle, handle[:3], handle[-3:])):
            if part:
                page = await self._list(name=part, limit="100", guests="false")
                found |= {user.name: user for user in page.users}
        return [
            # The list does not tell all roles, so none are known from it.
            await self._snapshot(user, created_at=user.creation_ts, roles=None)
            for user in found.values()
            if _handle(user.name) != handle
            and (alike(_handle(user.name), handle) or alike(user.displayname or "", handle))
        ][:_MOST_ALIKE]

    async def apply(self, order: Order) -> Receipt:
        guard.seconds_left(order, self._clock)
        # Fetched first, always: to lock a user who does not exist creates that user.
        found = await self.fetch(order.subject)
        guard.admit(order, found, self.facts)
        locked = order.action is ActionKind.DEACTIVATE
        if locked and found and found.roles and "appservice" in found.roles:
            raise PlatformError(
                "Refused, and nothing was sent: the account belongs to an application service, "
                "which goes on acting as it when it is locked.",
                Fate.REFUSED,
            )
        what = "lock an account" if locked else "unlock an account"
        answer = await self._http.write(
            "PUT",
            _User,
            what,
            *(*_ADMIN, "v2", "users", order.subject.id),
            body={"locked": locked},
            within=guard.seconds_left(order, self._clock),
        )
        if answer.status != 200:
            raise PlatformError(
                f"{NAME}: asked to {what}, it CREATED one instead ({answer.status}): "
                "an administrator has to remove it",
                Fate.UNCLEAR,
            )
        if answer.body.name != order.subject.id:
            raise PlatformError(
                f"{NAME}: it answered about another account than the one in the order",
                Fate.UNCLEAR,
            )
        is_locked = "locked" if answer.body.locked else "not locked"
        return Receipt(answer=f"PUT v2/users: {answer.status}, {is_locked}", at=self._clock.now())

    async def observe(self, subject: SubjectId) -> Observed:
        """Seen in the user list, and in the user directory if the account was listed there.

        A locked account vanishes from the directory. That it is not there means nothing for one
        that this process never saw there; and a server can be set up to show locked ones.
        """
        user = await self._entry(subject)
        state, surface = AccountState.UNKNOWN, "user list"
        if user is not None:  # else nobody's, or (capitals in its id, on PostgreSQL) not found
            state = user.state
            listed = await self._is_listed(user.name)
            if listed and state is AccountState.ACTIVE:
                self._was_listed.add(user.name)
                surface = "user-directory search"
            elif listed:
                surface = "user list (the user directory still shows it)"
            elif listed is False and state is not AccountState.ACTIVE:
                surface = "user-directory search" if user.name in self._was_listed else surface
        return Observed(state=state, surface=surface, at=self._clock.now())

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _entry(self, subject: SubjectId) -> _User | None:
        """The account's entry in the list, locked or not. The list's filter is a substring,
        with `_` for any character."""
        if subject.platform != NAME or await self._localpart(subject.id) is None:
            return None
        start = "0"
        for _ in range(_PAGES):
            query = {"user_id": subject.id, "limit": str(_PAGE), "from": start}
            page = await self._list(**query)
            for user in page.users:
                if user.name == subject.id:
                    return user
            if page.next_token is None:
                return None
            start = page.next_token
        raise PlatformError(f"{NAME}: too many accounts with ids like this one", Fate.NOT_SENT)

    async def _list(self, **query: str) -> _Page:
        page = await self._http.read(
            _Page, "search the user list", *_ADMIN, "v3", "users", query={**query, "locked": "true"}
        )
        return page or _Page(users=())

    async def _is_listed(self, user_id: str) -> bool | None:
        """Whether the directory shows the account to us; None if it is not to be asked now.

        It is rate-limited (200 searches, then one a minute), and the list is enough without it.
        """
        body = {"search_term": user_id, "limit": 50}
        try:
            found = await self._http.read(
                _Directory, "search the directory", *_CLIENT, "user_directory", "search", body=body
            )
        except PlatformError as error:
            if error.fate is Fate.NOT_SENT:
                return None
            raise
        return found is not None and any(user.user_id == user_id for user in found.results)

    async def _snapshot(
        self, user: _User, created_at: int, roles: frozenset[str] | None
    ) -> Snapshot:
        return Snapshot(
            subject=SubjectId(platform=NAME, id=user.name),
            handle=_handle(user.name),
            at=self._clock.now(),
            state=user.state,
            display_name=user.displayname,
            created_at=created_at,
            roles=roles,
            is_bot_itself=user.name == await self._me(),
        )

    async def _me(self) -> str:
        """The Matrix id that our token belongs to. Locked, it could not even unlock itself."""
        if self._own_id is None:
            me = await self._http.read(
                _Me, "ask whose token we have", *_CLIENT, "account", "whoami"
            )
            if me is None:
                raise PlatformError(f"{NAME}: our own account is gone", Fate.NOT_SENT)
            self._own_id = me.user_id
        return self._own_id

    async def _server(self) -> str:
        return (await self._me()).partition(":")[2]

    async def _localpart(self, user_id: str) -> str | None:
        """The part before the server, if this is a whole Matrix id of our server."""
        localpart, _, server = user_id.removeprefix("@").partition(":")
        whole = user_id.startswith("@") and server == await self._server()
        return localpart if whole and _LOCALPART.fullmatch(localpart) else None


def _handle(user_id: str) -> str:
    return user_id.removeprefix("@").partition(":")[0]


def _is_missing(body: Mapping[str, Any]) -> bool:
    return body.get("errcode") == "M_NOT_FOUND"


def create(clock: Clock) -> Synapse:
    """The platform as the environment describes it; pydantic's ValidationError if it does not."""
    return Synapse(Settings(), clock)
