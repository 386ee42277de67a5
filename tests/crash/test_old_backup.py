"""The disk is lost at kill -9 and an OLD backup restored: no number twice, nobody anything twice."""

import random

import pytest

from tests.crash.loss import Loss
from tests.world.judge import told
from tests.world.letters import letters
from tests.world.site import site

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


async def test_life_goes_on_after_the_backup_and_the_ledger_is_lost(tmp_path):
    async with site(tmp_path, budget="10 s") as made:
        story = Loss(made, letters(random.Random(7), 1_000, pdfs=False), print, portion=30)
        try:
            await story.play()
        finally:
            await story.close()
        first, second = story.first.book, story.load.book
        assert not first.violations, told(first.violations)
        assert not second.violations, told(second.violations)
        # The backup was old: some documents it never knew, and some it knew were done.
        assert set(first.accepted) - story.known
        assert story.known & set(first.accepted)
        assert story.kept & set(first.arrived)
