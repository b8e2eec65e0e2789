"""From the command to the card: the form, the look-up behind it, and who may file."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot import engine
from bot.core.request import Phase
from bot.core.subject import Snapshot
from bot.ledger import entry
from bot.sandbox.clock import SandboxClock
from bot.sandbox.slack import Error, ServerError, Slow, TimedOut
from bot.sandbox.world import LOBBY, REVIEW, world
from bot.store import drafts, due
from stories.telling import (
    AGENT,
    FORM,
    GUEST,
    HOUR,
    LENA,
    MINUTE,
    OTHER,
    TESSA,
    Story,
    buttons,
    policy,
    text_of,
)

# --- the look-up ------------------------------------------------------------------------------


async def test_the_form_opens_before_a_slow_platform_has_answered(s: Story) -> None:
    s.w.platform.faults.slow = 0.3
    answer = await s.hand(AGENT).command("/request-deactivate", "@pres1dent", channel=LOBBY)
    assert answer.status == 200
    assert answer.seconds < 0.3
    (view,) = s.ws.views(AGENT)
    assert "Looking up *@pres1dent*" in text_of(view)
    assert view.text_of("submit") is None
    await s.settle()
    assert "acct-1001" in text_of(s.ws.views(AGENT)[0])


async def test_what_was_found_is_shown(s: Story) -> None:
    said = text_of(await s.look_up("@president"))
    for fact in (
        "The President",
        "demo:acct-1000",
        "43,600,000",
        "verified",
        "active",
        "public-office",
    ):
        assert fact in said


async def test_what_the_platform_does_not_say_is_unknown_and_not_nought(s: Story) -> None:
    platform = s.w.platform
    platform.update("acct-1001", followers=None, verified=None, created_at=None, display_name=None)
    said = text_of(await s.look_up())
    assert "followers: unknown" in said
    assert "verified: unknown" in said
    assert "created: unknown" in said
    assert "name unknown" in said
    assert "since when is unknown" in said
    assert "followers: 0" not in said


async def test_a_platform_that_is_down_costs_nothing_but_the_look_up(s: Story) -> None:
    s.w.platform.faults.down = True
    said = text_of(await s.look_up())
    assert "The account could not be looked up" in said
    assert "Nothing was filed" in said
    s.w.platform.faults.clear()
    assert await s.submit(AGENT, {"handle.value": "@pres1dent"})
    assert "acct-1001" in text_of(s.ws.views(AGENT)[-1])


async def test_a_platform_that_fails_is_told_as_it_is(s: Story) -> None:
    s.w.platform.faults.fail = 503
    said = text_of(await s.look_up())
    assert "demo: could not look up a handle: it has a fault of its own (503" in said


async def test_a_look_up_does_not_take_for_ever(s: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FIND_WITHIN", 0.1)
    s.w.platform.faults.slow = 0.5
    assert "demo did not answer within" in text_of(await s.look_up())


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        ("@nobody", "There is no such account. Check the handle, letter by letter."),
        ("@gone", "This account is already deactivated, by legal@pipit.example."),
        ("@nolone", "This is the account that the bot itself acts with"),
        ("@root", "This account is an administrator of the platform"),
    ],
)
async def test_what_cannot_be_deactivated_is_refused_in_the_form(
    s: Story, handle: str, reason: str
) -> None:
    view = await s.look_up(handle)
    assert reason in text_of(view)
    assert view.state["handle"]["value"]["value"] == handle  # what was typed is kept
    assert view.text_of("submit") == "Look up"


async def test_an_account_under_a_legal_hold_is_refused(s: Story) -> None:
    s.w.platform.update("acct-1001", legal_hold=True)
    assert "This account is under a legal hold" in text_of(await s.look_up())


async def test_an_id_is_not_taken_for_a_handle(s: Story) -> None:
    assert "There is no such account" in text_of(await s.look_up("acct-1001"))


async def test_without_a_handle_the_form_asks_for_it(s: Story) -> None:
    view = await s.look_up("")
    assert "Handle of the account" in text_of(view)
    await s.submit(AGENT, {"handle.value": " @pres1dent "})
    assert "acct-1001" in text_of(s.ws.views(AGENT)[-1])
    assert "is filed" in await s.submit(AGENT, FORM)


# --- the form ---------------------------------------------------------------------------------


async def test_text_alone_never_files(s: Story) -> None:
    await s.look_up("@pres1dent because it is a fake")
    await s.look_up("@pres1dent")
    assert s.ws.messages(REVIEW) == []


async def test_each_error_stands_next_to_its_field(s: Story) -> None:
    await s.look_up()
    (view,) = s.ws.views(AGENT)
    view.content["blocks"] = view.blocks
    for block in view.blocks:  # a client that checks nothing
        if block["type"] == "input":
            block["optional"] = True
    answer = await s.hand(AGENT).submit({"what.value": "  ", "evidence.value": "see\nmy desk"})
    assert answer.status == 200
    assert view.errors == {
        "reason": "Choose one of the reasons in the list.",
        "what": "Say what happened, so that somebody else can judge it.",
        "evidence": "Not a web address: see",
    }
    assert s.ws.messages(REVIEW) == []


async def test_twenty_links_are_enough(s: Story) -> None:
    await s.look_up()
    many = "\n".join(f"https://evidence.example/{n}" for n in range(21))
    said = await s.submit(AGENT, {**FORM, "evidence.value": many})
    assert said.startswith("At most 20 links; these are 21.")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "ftp://x.example/", "https://", "a b", "http://[::1"]
)
async def test_only_web_addresses_are_evidence(s: Story, link: str) -> None:
    await s.look_up()
    said = await s.submit(AGENT, {**FORM, "evidence.value": f"https://ok.example/\n{link}"})
    assert said.startswith("Not a web address: ")


async def test_evidence_stands_on_the_card_as_a_number_and_its_hosts(s: Story) -> None:
    await s.file(evidence="https://a.example/1\nhttps://b.example/2\nhttps://a.example/3")
    assert "3 · a.example, b.example" in s.says()
    assert "https://a.example/1" not in s.says()


async def test_a_look_up_of_more_than_five_minutes_is_made_anew(s: Story) -> None:
    await s.look_up()
    await s.skip(5 * MINUTE + 1)
    s.w.platform.update("acct-1001", followers=2_000_000)
    said = await s.submit(AGENT, FORM)
    assert "2,000,000" in said
    (view,) = s.ws.views(AGENT)
    assert view.state["what"]["value"]["value"] == FORM["what.value"]  # nothing typed is lost
    assert "is filed" in await s.submit(AGENT)
    assert (await s.request()).pinned.tier == "public-office"


async def test_no_platform_is_asked_between_a_submission_and_its_answer(s: Story) -> None:
    await s.look_up()
    s.w.platform.faults.down = True
    assert "is filed" in await s.submit(AGENT, FORM)


async def test_a_form_submitted_twice_files_once(s: Story) -> None:
    await s.file()
    (submission,) = [d for d in s.w.slack.deliveries if d.kind == "view_submission"]
    again = await s.w.slack.redeliver(submission)
    assert again.status == 200
    await s.calm()
    assert await s.kinds() == ["Filed"]
    assert len(s.ws.messages(REVIEW)) == 1


async def test_a_second_agent_is_pointed_to_the_first_request(s: Story) -> None:
    await s.file()
    said = text_of(await s.look_up())
    assert "R-1 already concerns this account: see /request-deactivate status R-1." in said
    assert [m.text for m in s.ws.messages(REVIEW)] == [
        "R-1: Deactivate @pres1dent, needs review, still needs one more reviewer."
    ]


async def test_of_two_forms_for_one_account_the_second_is_refused(s: Story) -> None:
    """Both were looked up before either was submitted."""
    await s.look_up()
    first = s.ws.views(AGENT)[0]
    await s.file()
    s.ws.modals._stacks[AGENT] = [first]
    said = await s.submit(AGENT, FORM)
    assert "R-1 already concerns this account" in said
    assert await s.kinds("R-2") == []


async def test_a_closed_request_leaves_the_account_free(s: Story) -> None:
    await s.file()
    await s.veto(TESSA)
    assert await s.file() == "R-2"


async def test_a_request_whose_time_is_over_holds_no_account(s: Story) -> None:
    """Even if nobody came to say so: here the new one is filed before the worker has looked."""
    await s.file()
    await s.skip(8 * HOUR - 4 * MINUTE)
    await s.look_up("@ada")
    draft = await s.w.store.run(lambda tx: drafts.draft(tx, s.ws.views(AGENT)[0].id))
    assert draft is not None
    found = await s.w.bot.engine.find("@pres1dent")
    assert isinstance(found, Snapshot)
    await s.w.store.run(lambda tx: drafts.keep_draft(tx, replace(draft, found=found)))
    s.w.clock._skipped += 4 * MINUTE  # nobody is woken
    answer = await s.hand(AGENT).submit(FORM)
    assert "*R-2* is filed" in str(answer.body)
    assert await s.phase("R-1") is Phase.EXPIRED
    assert await s.phase("R-2") is Phase.OPEN


async def test_a_draft_of_somebody_else_files_nothing(s: Story) -> None:
    """The view's id is in the delivery; a look-up belongs to whoever made it."""
    await s.look_up()
    view = s.ws.views(AGENT)[0]
    s.ws.modals._stacks[TESSA] = [view]
    said = await s.submit(TESSA, FORM)
    assert "What was looked up is no longer there" in said
    assert await s.kinds() == []


# --- who may file -----------------------------------------------------------------------------


async def test_who_is_no_agent_is_told_who_is(s: Story) -> None:
    said = await s.type(TESSA, "@pres1dent")
    assert said == "Only agents can file requests. Agents are: <@U01AGENT>."
    assert s.ws.views(TESSA) == []


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (GUEST, "This account cannot act here: it is a guest."),
        (OTHER, "You are in another organisation"),
    ],
)
async def test_strangers_are_refused_by_what_slack_says_of_them(
    s: Story, who: str, reason: str
) -> None:
    assert reason in await s.type(who, "@pres1dent")


async def test_while_slack_cannot_say_who_somebody_is_nothing_is_filed(s: Story) -> None:
    s.w.slack.fail("users.info", ServerError(503))
    said = await s.type(AGENT, "@pres1dent")
    assert said == "Slack could not be asked who you are, so nothing was changed. Please try again."


async def test_a_form_that_slack_does_not_open_is_told(s: Story) -> None:
    s.w.slack.fail("views.open", Error("expired_trigger_id"))
    said = await s.type(AGENT, "@pres1dent")
    assert said == (
        "Slack could not open the form (expired_trigger_id). Nothing was filed: please try again."
    )
    s.w.slack.fail("views.open", TimedOut())
    assert "Slack did not open the form in time" in await s.type(AGENT, "@pres1dent")


async def test_a_slow_slack_is_not_waited_for_beyond_the_trigger(
    s: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.screen.OPEN_WITHIN", 0.1)
    s.w.slack.fail("views.open", Slow(0.4))
    assert "Slack did not open the form in time" in await s.type(AGENT, "@pres1dent")


# --- the words of the command -----------------------------------------------------------------


async def test_help_says_what_there_is(s: Story) -> None:
    said = await s.type(AGENT, "help")
    for word in ("HANDLE", "status", "veto R-n", "withdraw R-n", "/request-restore", "/audit"):
        assert word in said


async def test_status_lists_what_is_open(s: Story) -> None:
    assert await s.type(TESSA, "status") == "Nothing is open."
    await s.file()
    await s.file("@ada")
    said = (await s.type(TESSA, "status")).splitlines()
    assert said == [
        "*R-1* Deactivate @pres1dent · open · still needs one more reviewer",
        "*R-2* Deactivate @ada · open · still needs one more reviewer",
    ]


@pytest.mark.parametrize("name", ["R-1", "r-1", "r1", " R1 "])
async def test_status_of_one_request(s: Story, name: str) -> None:
    await s.cooling_off()
    said = await s.type(TESSA, f"status {name}")
    assert said.startswith("*R-1* Deactivate @pres1dent · cooling off · until <!date^")


async def test_status_of_what_is_not_there(s: Story) -> None:
    assert await s.type(TESSA, "status R-9") == "There is no request R-9."
    assert await s.type(TESSA, "status <!channel>") == "There is no request &lt;!channel&gt;."


async def test_the_verbs_ask_which_request(s: Story) -> None:
    assert "For example `/request-deactivate veto R-7`" in await s.type(TESSA, "veto")
    assert "For example `/request-deactivate withdraw R-7`" in await s.type(AGENT, "withdraw all")
    assert await s.type(TESSA, "veto R-9") == "There is no request R-9."
    assert await s.type(AGENT, "withdraw R-9") == "There is no request R-9."


async def test_a_veto_by_command_opens_the_same_form(s: Story) -> None:
    await s.file()
    assert await s.type(TESSA, "veto R-1") == ""
    assert "R-1, Deactivate @pres1dent, is vetoed." in await s.submit(
        TESSA, {"reason.value": "Wrong account."}
    )
    assert await s.phase() is Phase.VETOED


async def test_who_may_not_veto_is_told_so_by_the_command(s: Story) -> None:
    await s.file()
    assert await s.type(AGENT, "veto R-1") == "You filed R-1: you can withdraw it, with Withdraw."
    assert "Only reviewers can veto" in await s.type("U09MANAGER", "veto R-1")


async def test_the_requester_withdraws_by_command(s: Story) -> None:
    await s.file()
    assert await s.type(LENA, "withdraw R-1") == "Only <@U01AGENT>, who filed R-1, can withdraw it."
    assert await s.type(AGENT, "withdraw R-1") == "R-1, Deactivate @pres1dent, is withdrawn."
    assert await s.phase() is Phase.WITHDRAWN
    await s.calm()
    assert s.thread()[-1] == "*Withdrawn* by <@U01AGENT>."
    assert "R-1 is withdrawn" in await s.type(AGENT, "withdraw R-1")


async def test_unknown_words_are_looked_up_as_a_handle_and_change_nothing(s: Story) -> None:
    view = await s.look_up("approve R-1 please")
    assert "There is no such account" in text_of(view)
    assert {b["action_id"] for b in buttons(view)} == set()


async def test_the_agents_can_be_a_group(clock: SandboxClock, tmp_path: Path) -> None:
    changed = policy(people={"agents": {"usergroup": "S01TS"}})
    async with world(clock, tmp_path / "nolone.db", policy=changed) as w:
        assert await Story(w).file(by=TESSA) == "R-1"


async def test_while_the_agents_cannot_be_read_nobody_files(
    clock: SandboxClock, tmp_path: Path
) -> None:
    changed = policy(people={"agents": {"usergroup": "S01TS"}})
    async with world(clock, tmp_path / "nolone.db", policy=changed) as w:
        w.slack.fail("usergroups.users.list", Error("fatal_error"))
        said = await Story(w).type(TESSA, "@pres1dent")
        assert said == "The list of agents could not be read from Slack. Please try again."


async def test_what_no_export_could_hold_is_refused_in_the_form(
    s: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    await s.look_up("@pres1dent")
    monkeypatch.setattr(entry, "LONGEST", 300)
    said = await s.submit(AGENT, FORM)
    assert "The ledger cannot hold this: an entry of" in said
    assert "Nothing was changed." in said
    monkeypatch.undo()
    assert await s.w.store.run(due.still_open) == []
