"""What must not be in the log, nor in what Slack keeps beside a message."""

import json
import logging

import pytest

from bot.sandbox.slack import Error, ServerError, TimedOut
from stories.telling import AGENT, GUEST, LENA, MINUTE, OMAR, SECOND, TESSA, Story, keys_of

WHAT = "Offers the moon to jonas in private letters"
EVIDENCE = "https://files.evidence.example/letter-77"
REASON = "The letters are a forgery after all"
TICKET, CLAUSE = "TCK-4711", "clause nine"


async def story(s: Story) -> None:
    """Nearly everything that can happen, with a fault at every corner."""
    slack = s.w.slack
    slack.fail("views.update", Error("internal_error"))
    await s.look_up("@pres1dent")
    slack.fail("views.open", ServerError(503))
    await s.type(AGENT, "@pres1dent")
    slack.fail("chat.postMessage", TimedOut(acted=True), ServerError(500))
    await s.file(what=WHAT, evidence=EVIDENCE, ticket=TICKET, clause=CLAUSE)
    slack.fail("response_url", Error("used_url"))
    await s.approve(GUEST)
    slack.fail("users.info", ServerError(503))
    s.w.bot.engine.forget_person(TESSA)
    await s.approve(TESSA)
    await s.approve(TESSA)
    s.w.platform.faults.fail_after = 500
    await s.skip(5 * MINUTE)
    s.w.platform.faults.clear()
    for _ in range(5):
        await s.skip(30 * SECOND)
    await s.restore(OMAR, REASON)
    await s.file("@ada", what=WHAT)
    s.ws.users[OMAR].deleted = True
    await s.type(LENA, "veto R-3")
    await s.submit(LENA, {"reason.value": REASON})
    s.w.platform.faults.down = True
    await s.look_up("@jonas_b")
    s.w.slack.set_token_error("token_revoked")
    await s.hand(AGENT).command("/request-deactivate", "status", channel="C03LOBBY")
    await s.w.slack.deliver_raw(b"payload=%7B%7D", s.w.slack.sign(b"payload=%7B%7D"))
    await s.settle()


async def test_the_log_holds_no_secret_and_nothing_personal(
    s: Story, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="bot")
    await story(s)
    assert caplog.records, "there is something to log in such a story"
    log = "\n".join(
        logging.Formatter("%(name)s %(message)s").format(record) for record in caplog.records
    )
    slack, platform = s.w.slack, s.w.platform
    secrets = [slack.bot_token, slack.app_token, slack.signing_secret, platform.token]
    personal = [WHAT, EVIDENCE, REASON, TICKET, CLAUSE, "pres1dent", "acct-1001", "pipit.example"]
    personal += [a.display_name for a in platform.accounts.values()]
    for word in secrets + personal + ["letter-77", "moon", "forgery"]:
        assert word not in log, word


async def test_beside_a_message_slack_keeps_only_its_key(s: Story) -> None:
    await s.executed(what=WHAT, evidence=EVIDENCE, ticket=TICKET)
    messages = [m for c in s.ws.channels.values() for m in c.messages.values() if m.metadata]
    assert messages
    for message in messages:
        key, *also = keys_of(message)
        assert message.metadata == {
            "event_type": "nolone",
            "event_payload": {"key": key, **({"also": also} if also else {})},
        }
        assert all(one.startswith(("R-1/", "policy/")) for one in [key, *also])


async def test_the_ledger_itself_names_nobody_who_was_acted_on(s: Story) -> None:
    """What may have to be erased one day stands in the entries as commitments only."""
    await s.executed(what=WHAT, evidence=EVIDENCE, ticket=TICKET, clause=CLAUSE)
    await s.restore(OMAR, REASON)
    rows = await s.w.store.run(lambda tx: tx.query("SELECT body FROM entries"))
    bodies = b"\n".join(row["body"] for row in rows).decode()
    for word in (WHAT, EVIDENCE, TICKET, CLAUSE, REASON, "pres1dent", "acct-1001", "pipit.example"):
        assert word not in bodies, word
    for row in rows:
        assert json.loads(row["body"])["v"] == 1


async def test_buttons_carry_a_name_and_nothing_to_rest_a_decision_on(s: Story) -> None:
    await s.file("@president")
    request = await s.request()
    value = f"R-1.1.{request.digest[:8]}"
    found = json.dumps(s.card().blocks)
    assert found.count('"value": "') == found.count(value)
