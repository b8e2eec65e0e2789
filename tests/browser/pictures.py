"""The README's pictures, taken of the sandbox: python -m tests.browser.pictures"""

import sys
from pathlib import Path

from playwright.sync_api import Locator, expect, sync_playwright

from .png import shrink
from .visitor import BRUNO, LENA, LOBBY, MAX, OMAR, PHONE, TESSA, Visitor, chromium, sandbox

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MOST = 200_000  # bytes of one picture
SIZE = (1360, 850)
FILED = (
    ("@pres1dent", "impersonation", "Promises free coins in the name of the president."),
    ("@ada", "spam", "Sells shoes in every reply."),
    ("@president", "fake-account", "Reported as a fake."),
)
AROUND = 6  # px around what is cut out


class Camera:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def whole(self, v: Visitor, name: str) -> None:
        self._settle(v)
        v.page.screenshot(path=self.folder / f"{name}.png")
        self._check(name)

    def card(self, v: Visitor, name: str) -> None:
        self.part(v, v.card_with_its_writer, name, around=0)

    def part(self, v: Visitor, what: Locator, name: str, around: int = AROUND) -> None:
        what.evaluate("one => one.scrollIntoView({block: 'end'})")
        self._settle(v)
        box = what.bounding_box()
        assert box is not None
        clip = {
            "x": box["x"] - around,
            "y": box["y"] - around,
            "width": box["width"] + 2 * around,
            "height": box["height"] + 2 * around,
        }
        v.page.screenshot(path=self.folder / f"{name}.png", clip=clip)  # type: ignore[arg-type]
        self._check(name)

    def _settle(self, v: Visitor) -> None:
        v.page.evaluate("document.activeElement?.blur()")
        v.page.mouse.move(700, 4)
        v.page.wait_for_timeout(700)

    def _check(self, name: str) -> None:
        shrink(self.folder / f"{name}.png")
        size = (self.folder / f"{name}.png").stat().st_size
        print(f"{name}.png  {size / 1000:.0f} kB")
        assert size < MOST, f"{name}.png is too large"


def the_fake(v: Visitor, camera: Camera) -> None:
    """@pres1dent: filed, approved, cooled off, gone, and restored."""
    v.look_at("acct-1001")
    v.type("/request-deactivate @pres1dent")
    v.field("reason").select_option("impersonation")
    v.field("what").fill("Promises free coins in the name of the president. Three reports.")
    v.field("clause").fill("4.2 Impersonation")
    v.field("evidence").fill("https://pipit.example/reports/8812")
    v.field("ticket").fill("PIP-4711")
    v.submit()
    expect(v.form).to_contain_text("is filed")
    v.close_form()
    v.be(TESSA)
    camera.card(v, "review")
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    camera.card(v, "cooling-off")
    v.skip_the_cool_off()
    expect(v.profile).to_contain_text("doesn't exist")
    camera.card(v, "executed")
    camera.part(v, v.page.locator(".browser"), "gone")


def the_president(v: Visitor, camera: Camera, name: str) -> None:
    """@president, by mistake: two approvals, and a veto at the door."""
    v.look_at("acct-1000")
    v.file("@president", "fake-account", "Reported as a fake that promises free coins.")
    for who in (TESSA, LENA):
        v.be(who)
        v.approve()
    expect(v.card).to_contain_text("Cooling off")
    v.be(OMAR)
    camera.whole(v, name)


def veto(v: Visitor, camera: Camera) -> None:
    v.say_why("Veto", "Wrong account: this is the President. The fake is @pres1dent, with a 1.")
    expect(v.card).to_contain_text("Vetoed")
    camera.card(v, "veto")


def the_trail(v: Visitor, camera: Camera) -> None:
    """Two requests told as figures; and one entry edited behind the bot's back, and named."""
    for handle, reason, what in FILED:
        v.be(BRUNO)
        v.file(handle, reason, what)
    v.be(TESSA)
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    v.skip_the_cool_off()
    expect(v.card).to_contain_text("Deactivated")
    v.be(MAX)
    v.go(LOBBY)
    v.type("/audit stats")
    expect(v.whisper).to_contain_text("Requests by tier and outcome")
    camera.part(v, v.whisper.locator("figure, .chart").first, "stats")
    v.page.click("#hood-toggle")
    v.page.click("#tab-tamper")
    v.page.click("[data-tamper=edit]")
    v.page.click("#tamper-ask")
    expect(v.whisper).to_contain_text("The trail is not as it was: edited.")
    camera.whole(v, "tampered")


def main(folder: Path) -> None:
    camera = Camera(folder)
    with sandbox() as url, sync_playwright() as playwright:
        browser = chromium(playwright)
        wide = Visitor(browser, url, SIZE)
        the_fake(wide, camera)
        wide.start_over()
        the_president(wide, camera, "sandbox")
        veto(wide, camera)
        wide.start_over()
        the_trail(wide, camera)
        dark = Visitor(browser, url, SIZE, dark=True)
        dark.start_over()
        the_president(dark, camera, "dark")
        phone = Visitor(browser, url, PHONE)
        phone.be(OMAR)
        camera.whole(phone, "phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
