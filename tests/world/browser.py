"""Debian's Chromium as a person's window onto the console, one browser a test process.

How a day-test is written (tests/browser/test_*.py; nothing else is needed):

    async def test_a_clerk_accepts(open_window):
        async with console_site(home.section(), …) as site:      # or gatehouse(tmp_path)
            window = await open_window(site, CLERK)              # `person=None`: nobody signed in
            await window.go("/incoming")
            await window.page.get_by_role("link", name="12/SNV-VP").click()
            await window.accessible()                            # axe-core: WCAG 2.2 A and AA
            await window.picture("incoming")                     # a file only in `make screenshots`

Open the site inside the test: everything of tests/browser runs on one loop that lives as long as
the browser, a fixture of your own needs `pytest_asyncio.fixture(loop_scope="session")`. Playwright
waits by itself until a thing is there: ask with `expect(…)`, never sleep. A window that saw a
script error, or something our own content security policy forbids, fails its test.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gateway.console.frame import LANG, SESSION
from gateway.domain.access import Person

PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
PATIENCE_MS = 60_000
_STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_ALL = {"type": "tag", "values": _STANDARDS}
_OUTLINED = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
_AXE = Axe()


@dataclass
class Window:
    """A window of somebody onto a console."""

    url: str
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)

    async def go(self, path: str = "") -> None:
        """Go to a page below `/console`."""
        await self.page.goto(f"{self.url}/console{path}")

    @property
    def path(self) -> str:
        """Return where it is, below `/console`."""
        return urlsplit(self.page.url).path.removeprefix("/console")

    async def keys(self, *names: str) -> None:
        """Press keys one after the other, such as `Tab`, `Enter`; other texts are typed."""
        for name in names:
            if len(name) > 1 and name[0].isupper() and name.isascii() and name.isalnum():
                await self.page.keyboard.press(name)
            else:
                await self.page.keyboard.type(name)

    async def focused(self) -> str:
        """Return what the keyboard is on: the name of a field, else what it says."""
        found = await self.page.evaluate(
            "(() => { const e = document.activeElement;"
            " return e.name || e.innerText || e.getAttribute('aria-label') || e.tagName })()"
        )
        return str(found).strip()

    async def tab_to(self, name: str, *, most: int = 60) -> None:
        """Press Tab until something is reached by keyboard, and where it is can be seen (2.4.7)."""
        for _ in range(most):
            await self.keys("Tab")
            if await self.focused() == name:
                assert await self.page.evaluate(_OUTLINED), f"nobody sees that it is on {name!r}"
                return
        raise AssertionError(f"the keyboard does not reach {name!r}")

    async def accessible(self, rule: str = "") -> None:
        """Fail where axe-core finds a violation of WCAG 2.2 A or AA, or of one rule."""
        only = {"type": "rule", "values": [rule]} if rule else _ALL
        options = {"runOnly": only, "resultTypes": ["violations"]}
        found = (await _AXE.run(self.page, options=options)).response["violations"]
        told = [
            f"{one['id']} ({one['impact']}): {one['help']}\n"
            + "\n".join(f"    {node['html'][:160]}" for node in one["nodes"][:5])
            for one in found
        ]
        assert not told, f"{self.path}:\n" + "\n".join(told)

    async def skip(self) -> None:
        """Skip to the content by keyboard, on a page that was just loaded."""
        await self.page.wait_for_load_state()
        await self.keys("Tab")
        assert await self.focused() in {"Đến nội dung chính", "Skip to the content"}
        await self.keys("Enter")

    async def serves_everybody(self) -> None:
        """Fail where a page does not: axe-core, by day and by night, enlarged fourfold (1.4.10)."""
        await self.accessible()
        await self.page.emulate_media(color_scheme="dark")
        await self.accessible("color-contrast")
        await self.page.emulate_media(color_scheme="light")
        size = self.page.viewport_size
        await self.page.set_viewport_size({"width": 320, "height": 640})
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, f"{self.path} is read by scrolling sideways: {wide} pixels"
        if size is not None:
            await self.page.set_viewport_size(size)

    async def picture(self, name: str) -> None:
        """Write a screenshot for docs/, only when asked to (`make screenshots`)."""
        if not os.environ.get("VANLIEN_SCREENSHOTS"):
            return
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


@dataclass
class Windows:
    """Opens windows and closes them at the end of a test, asking what went wrong in them."""

    browser: Browser
    opened: list[Window] = field(default_factory=list)

    async def __call__(
        self,
        site: Any,
        person: Person | None = None,
        *,
        cookies: dict[str, str] | None = None,
        lang: str = "vi",
        dark: bool = False,
        phone: bool = False,
        script: bool = True,
    ) -> Window:
        """Open a window.

        Args:
            site: What has `url`, and `sessions` where somebody is signed in.
            person: Who is signed in.
            cookies: Cookies instead (of a `Visitor` of a whole gateway: `visitor.cookies`).
            lang: Language of the pages.
            dark: Whether the person likes it dark.
            phone: Whether it is as narrow as a phone.
            script: Whether the browser runs scripts.
        """
        size = {"width": 375, "height": 720} if phone else {"width": 1280, "height": 800}
        context = await self.browser.new_context(
            viewport=size,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale="vi-VN",
            timezone_id="Asia/Ho_Chi_Minh",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        have = dict(cookies or {})
        if person is not None:
            have[SESSION] = site.sessions.begin(person)
        if lang != "vi":
            have[LANG] = lang
        await context.add_cookies(
            [{"name": k, "value": v, "url": f"{site.url}/console"} for k, v in have.items()]
        )
        page = await context.new_page()
        window = Window(site.url, context, page)
        page.on("pageerror", lambda error: window.faults.append(str(error)))
        page.on("console", lambda said: _note(window, said.type, said.text))
        self.opened.append(window)
        return window

    async def close(self) -> None:
        """Close all; fail when a page of ours broke in one."""
        faults = [fault for window in self.opened for fault in window.faults]
        for window in self.opened:
            await window.context.close()
        assert not faults, faults


def _note(window: Window, kind: str, text: str) -> None:
    # A 403 or 422 is told on the console too; what matters is what our policy or a script says.
    if kind == "error" and "Failed to load resource" not in text:
        window.faults.append(text)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's Chromium; a test skips where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("the Debian package chromium is not installed")
    expect.set_options(timeout=PATIENCE_MS)
    arguments = ["--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            args=arguments,
            chromium_sandbox=os.geteuid() != 0,
            timeout=120_000,
        )
        try:
            yield browser
        finally:
            await browser.close()
