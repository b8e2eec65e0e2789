import pytest

pytest.register_assert_rewrite("bot.platforms.conformance")
