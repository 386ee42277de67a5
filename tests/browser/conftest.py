"""What the tests in a browser start from: one Chromium a test process, begun by the first test."""

from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from tests.world.browser import Windows, chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run them on the loop of the browser."""
    for item in items:
        if HERE in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """The browser of this test process."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(browser):
    """Open windows: `await open_window(site, CLERK)`; see tests/world/browser.py."""
    windows = Windows(browser)
    yield windows
    await windows.close()
