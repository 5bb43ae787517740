"""Constants of the queue's policy, changed for both engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crawler.queues import policy
from crawler.queues.redis.scripts import script


@contextmanager
def changed(**values: object) -> Iterator[None]:
    """With other *values* of constants of ``queues/policy.py``, in this process and the scripts that it sends."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.setattr(policy, name, value)
        script.cache_clear()
        yield
    script.cache_clear()
