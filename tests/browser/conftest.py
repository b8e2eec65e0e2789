"""Chromium, and one sandbox that starts over for each story."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from .visitor import PHONE, WIDE, Visitor, chromium, sandbox

Visit = Callable[..., Visitor]


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    with sandbox() as address:
        yield address


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = chromium(playwright)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    """Makes a visitor; at the end, none of them may have seen an error or a request that left."""
    visitors: list[Visitor] = []

    def visit(size: tuple[int, int] = WIDE, *, dark: bool = False) -> Visitor:
        visitor = Visitor(browser, url, size, dark=dark)
        if not visitors:
            visitor.start_over()
        visitors.append(visitor)
        return visitor

    yield visit
    complaints = [one for visitor in visitors for one in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []


@pytest.fixture
def v(visit: Visit) -> Visitor:
    return visit()


@pytest.fixture
def phone(visit: Visit) -> Visitor:
    return visit(PHONE)
