"""Erasing a subject: nothing of it is left in the files, all else stands, and it is proved."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.audit import keys
from bot.core.actions import ActionKind
from bot.core.commands import EraseQueries, File, NothingHappened, Record, Start, Veto, Withdraw
from bot.core.decide import decide
from bot.core.events import Grounds, RequestEvent
from bot.core.facts import Facts
from bot.core.reasons import ReasonCode
from bot.core.request import Request, evolve
from bot.core.subject import AccountState
from bot.store import drafts, ledger, sqlite
from bot.store.drafts import Draft
from bot.store.tx import Tx
from tests.audit.trail import AGENT, ANN, DAY, HOUR, MINUTE, POLICY, Trail

from .conftest import ORIGIN, House
from .test_tamper import regrow

CENTURY = 36_525 * DAY  # ahead of the machine's clock, so that the newest entry is now
ID, SUBJECT = "id-4711", "demo:id-4711"
HANDLE, RENAMED, DISPLAY = "@Mallory_X", "@Mallory_Y", "Mallory Q. Display"
WHAT, LINK, TICKET = "Sells stolen xylozephyr pills", "https://evidence.example/no-42", "TICKET-77"
VETO, NOTHING, UNDO = (
    "Somebody's aunt qwertzine.",
    "not reached for her",
    "It was the right account.",
)
ASKED = "account:@mallory_x"
TOKENS = ("lozephyr", "ertzine")  # as the full-text index has them: without how the last one began
WORDS = (
    *(ID, HANDLE, "mallory_x", RENAMED, DISPLAY, WHAT, LINK, TICKET, VETO, NOTHING, UNDO, ASKED),
    *TOKENS,
)
WHY = "Art. 17, letter of 2 November"


def files(house: House) -> dict[str, str]:
    """All that stands in the database's files, deleted or not."""
    paths = [Path(f"{house.database}{end}") for end in ("", "-wal", "-shm")]
    read = {p.name: p.read_bytes().decode(errors="replace") for p in paths if p.exists()}
    return {name: text.casefold() for name, text in read.items()}


def left(house: House) -> list[tuple[str, str]]:
    """Which words stand in which file."""
    return [(name, w) for name, text in files(house).items() for w in WORDS if w.casefold() in text]


class Told:
    """A trail with one subject in it that has had everything happen to it, and others."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        keys.make(self.house.key, ORIGIN)
        self.trail = Trail(self.house.database)
        self.trail.clock.skip(CENTURY)
        # as most builds of SQLite have it; Debian's overwrites what is deleted
        self.trail.store.run_now(lambda tx: tx.query("PRAGMA secure_delete = OFF"))

    async def filed(self, handle: str = HANDLE, id: str = ID, what: str = WHAT) -> Request:
        found = self.trail.accounts.put(
            id, handle, self.trail.now, AccountState.ACTIVE, followers=10, display_name=DISPLAY
        )
        grounds = Grounds(what_happened=what, evidence=(LINK,), ticket=TICKET)
        reason = ReasonCode.SPAM
        command = File(AGENT, ActionKind.DEACTIVATE, found.subject, reason, grounds)
        return await self.trail.give(command, found=found)

    async def others(self, n: int, since: int) -> None:
        """Requests about others, of many lengths, so that pages are split and joined."""
        for i in range(since, since + n):
            other = await self.trail.filed(f"other{i}", what=f"Other {i}. " * (1 + i * 37 % 60))
            await self.trail.give(Withdraw(AGENT, other.id))

    async def happen(self) -> None:
        trail = self.trail
        await trail.engine.adopt(POLICY)
        await self.others(20, since=0)
        for _ in range(8):
            vetoed = await self.filed()
            await trail.give(Veto(ANN, vetoed.id, VETO))
            await self.others(4, since=100 * trail.now % 97)
        request = await trail.approved(await self.filed())
        trail.post_everything()
        trail.clock.skip(5 * MINUTE)
        moved = trail.accounts.put(
            ID, RENAMED, trail.now, AccountState.ACTIVE, followers=10, display_name=DISPLAY
        )
        request = await trail.give(Start(request.id))
        assert request.known.open == moved  # reopened
        request = await trail.approved(request)
        trail.post_everything()
        trail.clock.skip(5 * MINUTE)
        request = await trail.give(Start(request.id))
        request = await trail.give(Record(request.id, 1, NothingHappened(NOTHING)))
        trail.clock.skip(MINUTE)
        request = await trail.recorded(await trail.give(Start(request.id)))
        self.executed = request.id
        self.restore = (await trail.restored(request)).id
        for query in (ASKED, f"account:{SUBJECT}", "account:other1", self.executed, ""):
            assert self.house.run("audit", "show", query).code == 0
        await self.later()
        self.trail.store.run_now(lambda tx: self.look_up(tx, 315))
        self.trail.store.run_now(self.submit)

    def look_up(self, tx: Tx, n: int) -> None:
        """Forms with the account in two of three."""
        known = next(iter(self.trail.accounts.known.values()))
        for i in range(n):
            handle = HANDLE if i % 3 else "@other1"
            said = known.model_copy(update={"handle": handle})
            draft = Draft(f"V{i}", AGENT, ActionKind.DEACTIVATE, handle, said, "", self.trail.now)
            drafts.keep_draft(tx, draft)

    def submit(self, tx: Tx) -> None:
        """All but fifteen: the pages of the others come to be free, with what stands in them."""
        for i in range(300):
            drafts.drop_draft(tx, f"V{i}")

    async def later(self, ms: int = 25 * HOUR) -> None:
        """Let the time pass in which a click can undo it."""
        self.trail.clock.skip(ms)
        await self.others(1, since=500)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    """While the bot runs, at least as far as its database knows."""
    made = Told(tmp_path)
    await made.happen()
    yield made
    made.trail.close()


@pytest.fixture
async def house(told: Told, tmp_path: Path) -> House:
    """The same while no bot runs: a copy with nothing beside it that others hold."""
    copy = House(tmp_path / "copy")
    copy.folder.mkdir()
    told.trail.store.run_now(lambda tx: None)
    for end in ("", "-wal"):
        shutil.copy(f"{told.house.database}{end}", f"{copy.database}{end}")
    shutil.copy(told.house.key, copy.key)
    return copy


def events(house: House, id: str) -> list[RequestEvent]:
    visit = sqlite.SqliteVisit(house.database)
    try:
        found = [e for _, e in visit.run_now(lambda tx: ledger.events(tx, id))]
    finally:
        visit.close()
    return [e for e in found if isinstance(e, RequestEvent)]


def erase(house: House, name: str = HANDLE, reason: str = WHY) -> str:
    done = house.run("audit", "erase", name, "--reason", reason, "--yes")
    assert done.code == 0, done.text
    return done.text


# --- what goes ------------------------------------------------------------------------------------------


def test_before_it_is_erased_everything_stands_in_the_files(house: House) -> None:
    assert {word for _, word in left(house)} == set(WORDS)


def test_no_page_of_any_file_holds_a_word_of_it(house: House) -> None:
    said = erase(house)
    assert left(house) == []
    assert "values of 10 requests, 2 queries, 10 drafts." in said
    assert f"{house.database} was written anew: nothing that was erased is left in it." in said


def test_no_page_holds_a_word_of_it_while_the_bot_runs(told: Told) -> None:
    erase(told.house, SUBJECT)
    assert left(told.house) == []


async def test_the_bot_that_ran_meanwhile_brings_nothing_back(told: Told) -> None:
    erase(told.house, ID)
    await told.others(5, since=600)
    request = await told.trail.engine.request(told.executed)
    assert request is not None
    assert request.erasure is not None
    assert (request.subject.value, request.known.value, request.grounds.value) == (None, None, None)
    assert left(told.house) == []
    assert told.house.verify().code == 0


async def test_what_a_subject_is_called_today_and_was_called_finds_all_of_it(told: Told) -> None:
    said = told.house.run("audit", "erase", RENAMED, "--reason", WHY, "--yes").text
    assert "mallory_x, mallory_y" in said
    assert left(told.house) == []


def test_other_requests_queries_and_drafts_keep_theirs(told: Told) -> None:
    erase(told.house)
    rows = told.house.rows
    assert rows("SELECT count(*) FROM drafts") == [(5,)]
    queries = "SELECT value FROM openings JOIN entries USING (seq) WHERE kind = 'Queried'"
    assert [value for (value,) in rows(queries)] == [
        '{"text":"account:other1"}',
        f'{{"text":"{told.executed}"}}',
        '{"text":""}',
    ]
    assert rows("SELECT count(*) FROM requests WHERE subject = ''") == [(10,)]
    assert rows("SELECT count(*) FROM requests WHERE handle = ''") == [(10,)]
    assert "other3" in files(told.house)["nolone.db"]


# --- what stays -----------------------------------------------------------------------------------------


def test_who_decided_and_when_and_what_came_of_it_stays(house: House, told: Told) -> None:
    before = events(house, told.executed)
    erase(house)
    after = events(house, told.executed)
    assert [(e.kind, e.at, e.by) for e in after[:-1]] == [(e.kind, e.at, e.by) for e in before]
    assert after[-1].kind == "Erased"
    assert after[-1].reason.open.text == WHY
    request = None
    for event in after:
        request = evolve(request, event)
    assert request is not None
    assert [a.by for a in request.approvals] == [ANN]
    assert all(a.identity.value is not None for a in request.approvals)
    shown = house.run("audit", "show", told.executed).text
    assert "“Art. 17, letter of 2 November”" in shown
    assert f"restored by {told.restore}" in shown
    assert "for spam: (erased)" in shown


def test_the_trail_verifies_and_the_erased_values_are_counted(house: House) -> None:
    ((before,),) = house.rows("SELECT count(*) FROM openings")
    erase(house)
    ((after,),) = house.rows("SELECT count(*) FROM openings")
    found = house.verify()
    assert found.code == 0, found.text
    gone = int(str(before)) + 11 - int(str(after))  # each new entry has a reason of its own
    assert f"{gone} values erased under 11 entries" in found.text


def test_an_export_from_before_is_gone_on_with_and_verifies(house: House) -> None:
    house.exported()
    kept = house.keep()
    erase(house)
    house.exported()
    for found in (house.verify(house.export, "--against", kept), house.verify("--against", kept)):
        assert found.code == 0, found.text


def test_an_export_with_values_that_is_gone_on_with_has_no_word_of_it(house: House) -> None:
    def given() -> str:
        return "".join(p.read_text() for p in house.export.glob("openings*"))

    done = house.run("audit", "export", house.export, "--values")
    assert done.code == 0, done.text
    assert WHAT in given()
    erase(house)
    done = house.run("audit", "export", house.export, "--values")
    assert done.code == 0, done.text
    assert "other3" in given()
    assert [word for word in WORDS if word in given()] == []
    found = house.verify(house.export)
    assert found.code == 0, found.text


# --- what is refused ------------------------------------------------------------------------------------


async def test_while_one_click_can_undo_it_nothing_is_erased(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.trail.engine.adopt(POLICY)
    await told.trail.give(Veto(ANN, (await told.filed()).id, VETO))
    told.trail.accounts.known.clear()
    request = await told.trail.approved(await told.filed())
    told.trail.post_everything()
    told.trail.clock.skip(5 * MINUTE)
    ended = await told.trail.recorded(await told.trail.give(Start(request.id)))
    assert ended.ending is not None
    done = told.house.run("audit", "erase", HANDLE, "--reason", WHY, "--yes")
    assert done.code == 1
    assert "Nothing was erased." in done.text
    assert "R-2 can be undone with one click until 2126-" in done.text
    assert WHAT.casefold() in "".join(files(told.house).values())
    assert told.house.rows("SELECT count(*) FROM entries WHERE kind = 'Erased'") == [(0,)]
    await told.later(24 * HOUR)
    erase(told.house)
    assert left(told.house) == []
    told.trail.close()


async def test_while_a_request_about_it_is_open_nothing_is_erased(told: Told) -> None:
    again = await told.filed()
    done = told.house.run("audit", "erase", HANDLE, "--reason", WHY, "--yes")
    assert done.code == 1
    assert f"{again.id} is open, and has to end first: it can be vetoed or withdrawn" in done.text
    assert f"{again.id} still concerns the account of R-62, and has to end first." in done.text
    assert "… and 6 more." in done.text
    assert told.house.rows("SELECT count(*) FROM entries WHERE kind = 'Erased'") == [(0,)]


async def test_a_handle_that_fits_two_accounts_is_refused_with_both(told: Told) -> None:
    other = await told.filed(id="id-9", what="Somebody else.")
    await told.trail.give(Withdraw(AGENT, other.id))
    done = told.house.run("audit", "erase", HANDLE, "--reason", WHY, "--yes")
    assert done.code == 1
    assert "fits several accounts. Name one of them as here:" in done.text
    assert "\n  demo:id-4711 (@mallory_x)\n  demo:id-9 (@mallory_x)" in done.text
    assert told.house.rows("SELECT count(*) FROM entries WHERE kind = 'Erased'") == [(0,)]
    erase(told.house, "demo:id-9")
    assert told.house.rows("SELECT stream FROM entries WHERE kind = 'Erased'") == [(other.id,)]


def test_a_reason_that_names_it_is_refused(told: Told) -> None:
    done = told.house.run("audit", "erase", HANDLE, "--reason", "Mallory_X asks", "--yes")
    assert done.code == 1
    assert "names the account: say it without “mallory_x”." in done.text
    blank = told.house.run("audit", "erase", HANDLE, "--reason", " ", "--yes")
    assert "Say why it is erased, in a few words." in blank.text
    assert told.house.rows("SELECT count(*) FROM entries WHERE kind = 'Erased'") == [(0,)]


def test_without_a_yes_nothing_is_erased(told: Told) -> None:
    done = told.house.run("audit", "erase", HANDLE, "--reason", WHY)
    assert done.code == 1
    assert "requests     R-21, " in done.text
    assert "Erase it for good? [y/N]" in done.text
    assert {word for _, word in left(told.house)} >= set(WORDS) - {VETO}


def test_an_erased_subject_is_found_no_more_and_that_is_fine(house: House) -> None:
    erase(house)
    entries = house.rows("SELECT count(*) FROM entries")
    assert "Nothing is held under “@Mallory_X”" in erase(house)
    assert house.rows("SELECT count(*) FROM entries") == entries


def test_an_account_of_no_request_is_erased_from_queries(house: House) -> None:
    said = erase(house, "@Other1")  # has requests
    assert "1 query" in said
    house.run("audit", "show", "account:@nobody")
    assert "Erased: 0 values of 0 requests, 1 query, 0 drafts." in erase(house, "nobody")
    assert "nobody" not in "".join(files(house).values())


async def test_others_who_name_it_are_told_of_and_not_touched(told: Told) -> None:
    other = await told.trail.filed("friend", what="Another account of @mallory_x, I think.")
    said = erase(told.house)
    assert f"not touched  {other.id}: named there as well" in said
    assert "another account of @mallory_x" in files(told.house)["nolone.db"]


# --- the file -------------------------------------------------------------------------------------------

DIES = """
import os, signal, sys
from pathlib import Path
from bot.audit.erasing import erase_on_host
from bot.store.sqlite import SqliteVisit
visit = SqliteVisit(Path(sys.argv[1]))
visit.run_now(lambda tx: erase_on_host(tx, "me", sys.argv[2], sys.argv[3], int(sys.argv[4])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_before_the_file_was_written_anew_it_is_ended_by_running_it_again(
    house: House,
) -> None:
    ((newest,),) = house.rows("SELECT max(at) FROM entries")
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(house.database), HANDLE, WHY, str(newest)], check=False
    )
    assert done.returncode == -9
    assert left(house) != []
    assert "Nothing is held under" in erase(house)
    assert left(house) == []
    assert "values erased under 11 entries" in house.verify().text


def test_somebody_who_reads_keeps_the_file_from_being_cleaned_and_it_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY", 0.1)
    reader = sqlite3.connect(house.database)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entries").fetchall()
    done = house.run("audit", "erase", HANDLE, "--reason", WHY, "--yes")
    assert done.code == 1
    assert "Erased: " in done.text
    assert "could not be emptied: somebody reads the database." in done.text
    assert "Run this again to end it." in done.text
    assert left(house) != []
    reader.close()
    erase(house)
    assert left(house) == []


def test_a_large_file_is_not_written_anew_while_a_bot_would_wait_for_it(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BESIDE_A_BOT", 10_000)
    done = told.house.run("audit", "erase", HANDLE, "--reason", WHY, "--yes")
    assert done.code == 1
    assert "every veto, waiting for too long: stop the bot for it." in done.text
    told.trail.close()
    erase(told.house)
    assert left(told.house) == []
    told.trail = Trail(told.house.database)


# --- tampering ------------------------------------------------------------------------------------------


def test_a_value_that_goes_without_an_entry_is_missing(house: House, told: Told) -> None:
    erase(house)
    house.tamper("DELETE FROM openings WHERE field = 'grounds' AND seq = 2")
    found = house.verify()
    assert found.code == 1
    assert "missing: the value sealed as 'grounds' in entry 2 is gone" in found.text


def test_what_tells_those_who_decided_apart_must_not_go(house: House, told: Told) -> None:
    erase(house)
    sql = "SELECT seq FROM entries WHERE stream = ? AND kind = 'Approved'"
    seq = house.rows(sql, [told.executed])[0][0]
    house.tamper(f"DELETE FROM openings WHERE field = 'identity' AND seq = {seq}")
    found = house.verify()
    assert found.code == 1
    assert f"missing: the value sealed as 'identity' in entry {seq} is gone" in found.text


def test_a_reason_for_erasing_must_not_go(house: House) -> None:
    erase(house)
    ((seq,),) = house.rows("SELECT max(seq) FROM entries WHERE kind = 'Erased'")
    house.tamper(f"DELETE FROM openings WHERE seq = {seq}")
    assert f"the value sealed as 'reason' in entry {seq} is gone" in house.verify().text


def test_nothing_is_erased_before_it_is_there(house: House) -> None:
    visit = sqlite.SqliteVisit(house.database)
    ((newest,),) = house.rows("SELECT max(seq) FROM entries")
    seed = "5a" * 32
    said = decide(
        None,
        EraseQueries("host:me", (int(str(newest)) + 2,), WHY),
        Facts(origin="", policy=POLICY, seed=seed),
        0,
    )
    visit.run_now(lambda tx: ledger.append(tx, ledger.AUDIT, None, said))
    visit.close()
    house.run("audit", "show", "state:open")
    house.tamper(f"DELETE FROM openings WHERE seq = {int(str(newest)) + 2}")
    assert f"missing: the value sealed as 'query' in entry {int(str(newest)) + 2} is gone" in (
        house.verify().text
    )


@pytest.mark.parametrize("kind", ["Erased", "QueriesErased"])
def test_a_value_that_is_there_although_it_was_erased_is_found(house: House, kind: str) -> None:
    before = {
        "Erased": "SELECT o.* FROM openings o JOIN entries e USING (seq)"
        " WHERE e.stream = 'R-21' AND field = 'snapshot'",
        "QueriesErased": "SELECT o.* FROM openings o JOIN entries e USING (seq)"
        " WHERE e.kind = 'Queried' ORDER BY seq LIMIT 1",
    }[kind]
    (row,) = house.rows(before)
    erase(house)
    ((by,),) = house.rows(f"SELECT min(seq) FROM entries WHERE kind = '{kind}'")
    house.tamper(lambda db: db.execute("INSERT INTO openings VALUES (?, ?, ?, ?)", row))
    found = house.verify()
    assert found.code == 1
    assert (
        f"not erased: the value kept for {row[1]!r} of entry {row[0]} is erased by entry {by},"
        " and is still there"
    ) in found.text


def test_an_erasure_that_is_made_up_is_found_by_a_kept_checkpoint(house: House) -> None:
    house.exported()
    kept = house.keep()

    def forge(db: sqlite3.Connection) -> None:
        """Put an entry that says so in the place of the last one."""
        seq, body = db.execute("SELECT seq, body FROM entries ORDER BY seq DESC").fetchone()
        said = body.replace(b'"kind":"Withdrawn"', b'"kind":"Erased"')
        assert said != body
        db.execute("UPDATE entries SET body = ?, kind = 'Erased' WHERE seq = ?", (said, seq))
        regrow(db)

    house.tamper(forge)
    found = house.verify("--against", kept)
    assert found.code == 1
    assert "forked:" in found.text


def test_an_erased_request_in_the_index_must_not_have_its_name_back(house: House) -> None:
    erase(house)
    house.tamper(f"UPDATE requests SET subject = '{SUBJECT}' WHERE id = 'R-21'")
    assert "index differs: R-21 stands in requests otherwise than its entries say" in (
        house.verify().text
    )
