"""The frame of every page in a real browser: looks, keyboard, without scripts, on a phone."""

from playwright.async_api import expect

from gateway.console.sections import home
from tests.world.console import CLERK, console_site


async def test_the_first_page_is_small_accessible_and_ours_alone(open_window):
    async with console_site(home.section()) as site:
        sizes = []
        window = await open_window(site, CLERK)
        window.page.on("response", lambda answer: sizes.append(answer))  # noqa: PLW0108
        await window.go()
        await expect(window.page.get_by_role("heading", level=1)).to_contain_text(CLERK.name)
        await window.accessible()
        bodies = [len(await answer.body()) for answer in sizes if answer.ok]
        assert sum(bodies) < 100_000
        assert all(answer.url.startswith(site.url) for answer in sizes)


async def test_dark_english_and_without_scripts_it_is_the_same_page(open_window):
    async with console_site(home.section()) as site:
        dark = await open_window(site, CLERK, dark=True, lang="en")
        await dark.go()
        await dark.accessible()
        bare = await open_window(site, CLERK, script=False, phone=True)
        await bare.go()
        await bare.page.get_by_role("button", name="English").click()
        await expect(bare.page.get_by_role("heading", level=1)).to_contain_text("Hello")


async def test_the_keyboard_skips_to_the_content_and_finds_the_search(open_window):
    async with console_site(home.section()) as site:
        window = await open_window(site, CLERK)
        await window.go()
        await window.keys("Tab")
        assert await window.focused() == "Đến nội dung chính"
        await window.keys("/")
        assert await window.focused() == "q"
