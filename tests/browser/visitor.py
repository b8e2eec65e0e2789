"""Somebody at the sandbox's page, in Chromium."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, expect

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = (1440, 900)
PHONE = (390, 844)
BRUNO, TESSA, OMAR, LENA = "U01AGENT", "U02REV", "U03REV", "U05LEGAL"
MAX, GUS, OLGA = "U09MANAGER", "U07GUEST", "U08OTHER"
REVIEW, LOBBY = "C02REV", "C03LOBBY"
RUN = "from bot.sandbox.server import run_sandbox; run_sandbox(0)"


@contextmanager
def sandbox() -> Iterator[str]:
    """The sandbox in a process of its own, as a newcomer starts it; its address."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLACK_")}
    with subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(10)


def chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)


class Visitor:
    """One visitor, with a fresh profile. `complaints`: what should not have happened."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        size: tuple[int, int] = WIDE,
        *,
        dark: bool = False,
        scale: float = 1,
    ) -> None:
        self.url = url
        self.narrow = size[0] < 820
        self.complaints: list[str] = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            timezone_id="Europe/Brussels",
            device_scale_factor=scale,
        )
        self.context.set_default_timeout(10_000)
        self.context.on("request", lambda request: self._requested(request.url))
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.goto(url)
        self.page.locator("body.ready").wait_for()

    def _requested(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            self.complaints.append(f"a request left: {url}")

    def _said(self, message: ConsoleMessage) -> None:
        gone = "/pipit/@" in message.location.get("url", "") and "404" in message.text
        if message.type in ("error", "warning") and not gone:
            self.complaints.append(f"{message.type}: {message.text}")

    def start_over(self) -> None:
        answer = self.page.request.post(f"{self.url}/api/reset", data={})
        assert answer.ok
        self.page.reload()
        self.page.locator("body.ready").wait_for()

    # --- going about -----------------------------------------------------------------------------

    def be(self, who: str) -> None:
        if self.narrow:
            self.page.select_option("#who-select", who)
        else:
            self.page.click(f"label[data-who={who}]")
        expect(self.page.locator("#who-select")).to_have_value(who)

    def go(self, place: str) -> None:
        if self.narrow:
            self.pane("places")
        self.page.click(f"[data-place={place}]")

    def pane(self, name: str) -> None:
        self.page.click(f"#tabs [data-pane={name}]")

    # --- the workspace ---------------------------------------------------------------------------

    def type(self, text: str) -> None:
        self.page.fill("#say", text)
        self.page.press("#say", "Enter")

    @property
    def form(self) -> Locator:
        return self.page.locator(".modal")

    def field(self, block: str) -> Locator:
        return self.form.locator(f"[data-block={block}]").locator("input, textarea, select")

    def submit(self) -> None:
        self.form.locator("button[type=submit]").click()

    def close_form(self) -> None:
        self.form.get_by_role("button", name="Close", exact=True).click()
        expect(self.form).to_have_count(0)

    def file(self, handle: str, reason: str, what: str) -> None:
        """Bruno's part: the command, the form, and its submission."""
        self.type(f"/request-deactivate {handle}")
        self.field("reason").select_option(reason)
        self.field("what").fill(what)
        self.submit()
        expect(self.form).to_contain_text("is filed")
        self.close_form()

    @property
    def card(self) -> Locator:
        return self.page.locator("#log .card").first

    @property
    def card_with_its_writer(self) -> Locator:
        return self.page.locator("#log .message:has(.card)").first

    @property
    def whisper(self) -> Locator:
        """The last answer that only this person sees."""
        return self.page.locator("#log .message.private").last

    def press(self, label: str) -> None:
        self.card.get_by_role("button", name=label, exact=True).click()

    def approve(self) -> None:
        """Approve, through the question in the lower tiers, through the form in the top tiers."""
        self.press("Approve")
        yes = self.page.locator("[data-ask=yes]")
        send = self.form.locator("button[type=submit]")
        yes.or_(send).first.wait_for()
        if yes.count():
            yes.click()
            return
        send.click()
        expect(send).to_have_count(0)
        self.close_form()

    def say_why(self, label: str, why: str) -> None:
        """Veto or Restore: the button, and the form that asks why."""
        self.press(label)
        self.field("reason").fill(why)
        self.submit()
        expect(self.form.locator("button[type=submit]")).to_have_count(0)
        self.close_form()

    # --- the platform ----------------------------------------------------------------------------

    def look_at(self, account: str) -> None:
        self.page.click(f".account[data-account={account}]")

    @property
    def profile(self) -> Locator:
        """What the public page says."""
        return self.page.frame_locator("iframe.page.shown").locator("main")

    def skip_the_cool_off(self) -> None:
        self.page.click("#skip-cooling")
