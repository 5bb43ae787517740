"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from crawler.config import ENVIRONMENT_PREFIX

# two shared cores: how long one example takes says nothing
settings.register_profile("crawler", deadline=None, print_blob=True)
settings.load_profile("crawler")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings, or a proxy, of their own."""
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX) or name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            monkeypatch.delenv(name)
