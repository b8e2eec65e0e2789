"""Who is on Pipit when the sandbox starts, and what they said."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """An account. The id stays for ever; the handle may change. Instants are ms."""

    id: str
    handle: str
    display_name: str
    created_at: int
    bio: str = ""
    followers: int = 0
    verified: bool = False
    roles: frozenset[str] = frozenset()
    legal_hold: bool = False
    state: str = "active"  # active, deactivated, erased
    since: int | None = None  # when it came into its state, and by whom; None: it always was
    by: str | None = None
    key: str | None = None  # the Idempotency-Key of the call that did it

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "roles": sorted(self.roles)}


@dataclass(frozen=True, slots=True)
class Post:
    account_id: str
    text: str
    at: int


ACCOUNTS = (
    Account(
        id="acct-1000",
        handle="president",
        display_name="The President",
        created_at=1_237_377_131_000,  # 18 March 2009
        bio="Official account. Statements, signings, and the occasional typo.",
        followers=43_600_000,
        verified=True,
        roles=frozenset({"public-office"}),
    ),
    Account(
        id="acct-1001",
        handle="pres1dent",
        display_name="The President",
        created_at=1_509_235_200_000,  # 29 October 2017
        bio="The REAL one. Follow for free coins.",
        followers=212,
    ),
    Account(
        id="acct-1002",
        handle="ada",
        display_name="Ada Marsh",
        created_at=1_333_238_400_000,
        bio="Bird photographer. Mostly waders, some gulls, no apologies.",
        followers=1_840,
    ),
    Account(
        id="acct-1003",
        handle="jonas_b",
        display_name="Jonas Berg",
        created_at=1_421_020_800_000,
        bio="I fix bicycles in Malmö.",
        followers=356,
    ),
    Account(
        id="acct-1004",
        handle="harbor_news",
        display_name="Harbor News",
        created_at=1_277_942_400_000,
        bio="What happened at the harbor today.",
        followers=1_204_000,
        verified=True,
    ),
    Account(
        id="acct-1005",
        handle="mei.lin",
        display_name="Mei Lin 林美",
        created_at=1_496_275_200_000,
        bio="Dumplings and differential equations.",
        followers=97,
    ),
    Account(
        id="acct-1006",
        handle="root",
        display_name="Pipit Operations",
        created_at=1_230_768_000_000,
        bio="We keep the lights on.",
        followers=5_120,
        verified=True,
        roles=frozenset({"admin"}),
    ),
    Account(
        id="acct-1007",
        handle="nolone",
        display_name="No Lone Zone",
        created_at=1_483_228_800_000,
        bio="Two people, a pause, and a record. Automated.",
        followers=3,
        roles=frozenset({"bot"}),
    ),
    Account(
        id="acct-1008",
        handle="gone",
        display_name="Gone Fishing",
        created_at=1_388_534_400_000,
        followers=4_410,
        state="deactivated",
        since=1_506_816_000_000,  # 1 October 2017
        by="legal@pipit.example",
    ),
)

POSTS = (
    Post("acct-1000", "Signed the harbor bill this morning. Good turnout!", 1_509_640_000_000),
    Post("acct-1000", "Great meeting with the governors. More tomorrow.", 1_509_630_000_000),
    Post("acct-1001", "Send 1 coin, get 2 back. Only today!!", 1_509_641_000_000),
    Post("acct-1002", "A curlew, at last, in decent light.", 1_509_638_000_000),
    Post("acct-1003", "If it squeaks, bring it in before it snaps.", 1_509_636_000_000),
    Post(
        "acct-1004", "Ferry service resumes at 18:00 after this morning's fog.", 1_509_639_000_000
    ),
    Post("acct-1005", "Proof by dumpling: left as an exercise for the eater.", 1_509_637_000_000),
    Post("acct-1006", "Maintenance tonight, 02:00 to 02:15 UTC.", 1_509_620_000_000),
    Post("acct-1008", "Back when they bite.", 1_506_800_000_000),
)
