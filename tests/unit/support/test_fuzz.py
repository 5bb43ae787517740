"""Fuzzing in small: every kept input, and mutations of them, through every target of tests/fuzz.

What has been found there is among the kept inputs, so that no fault comes back. The same mutations each time: a change
that breaks something is told from one that had bad luck.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from crawler.queues.rpc import server as server_module
from tests.fuzz.mutations import mutated
from tests.fuzz.registry import CORPUS, TARGETS, WEIGHTS, corpus, target
from tests.support.cpu_time import allowed_s, cpu_s

pytestmark = [pytest.mark.slow, pytest.mark.untraced]


@pytest.fixture(scope="module", autouse=True)
def _the_server_as_it_was() -> Iterator[None]:
    """tests/fuzz/books.py has nobody wait at it, and takes its log: the tests of the manager failed after these."""
    log = logging.getLogger("crawler.queues.rpc.server")
    wait_s, level, propagate = server_module.LONGEST_WAIT_S, log.level, log.propagate
    yield
    server_module.LONGEST_WAIT_S = wait_s
    log.setLevel(level)
    log.propagate = propagate


ENOUGH_S = 5.0
"""Of the processor, for one input."""
MUTATIONS = 600
FOR_S = 0.5
"""Time for the mutations of a target of weight 1, on a slow machine: fewer are tried then."""
CORPUS_BYTES = 1_500_000
SEED = 20_261_129


@pytest.mark.parametrize("name", TARGETS)
def test_what_has_been_kept(name: str) -> None:
    fuzz = target(name)
    slow = []
    kept = corpus(name)
    assert kept
    for file, data in kept.items():
        taken_s = cpu_s(lambda data=data: fuzz(data))
        if taken_s > ENOUGH_S and taken_s > allowed_s(ENOUGH_S):
            slow.append(file)
    assert not slow
    fuzz(b"")


@pytest.mark.parametrize("name", TARGETS)
def test_what_becomes_of_it_by_chance(name: str) -> None:
    fuzz = target(name)
    weight = WEIGHTS.get(name, 1)
    end = time.monotonic() + FOR_S * weight
    for number, data in enumerate(islice(mutated(list(corpus(name).values()), SEED), MUTATIONS * weight)):
        try:
            taken_s = cpu_s(lambda data=data: fuzz(data))
        except Exception as exc:
            exc.add_note(f"mutation {number} of {name}: {data!r}"[:4000])
            raise
        assert taken_s < ENOUGH_S or taken_s < allowed_s(ENOUGH_S), data
        if time.monotonic() > end:
            break


def test_the_corpus_is_small_and_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < CORPUS_BYTES
    assert WEIGHTS.keys() <= set(TARGETS)
