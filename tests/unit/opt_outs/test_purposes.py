"""The table of signals and purposes, held against the words of those who define the signals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crawler.config import ObeyConfig
from crawler.errors import REASONS, OptedOut
from crawler.models import OptOut, Purpose
from crawler.opt_outs.preferences import content_signal, content_usage
from crawler.opt_outs.purposes import SIGNALS, refusal, said
from tests.generators import opt_outs

NOBODY: set[str] = set()
SEARCH = {"search", "train"}
TRAIN = {"train"}

Read = Callable[..., OptOut]


@pytest.mark.parametrize(
    ("read", "value", "forbidden"),
    [
        # draft-ietf-aipref-vocab-latest of 19 Aug 2026, section 6: "to allow model training, disallow search"
        (content_usage, "train-ai=y, search=n", SEARCH),
        # draft-ietf-aipref-attach-05, section 1.2
        (content_usage, "train-ai=n", TRAIN),
        (content_usage, "train-ai=y", NOBODY),
        # vocab, section 6.5: "Token values that are other than y or n … result in the preference being unknown"
        (content_usage, "train-ai=no", NOBODY),
        (content_usage, "train-ai=?0", NOBODY),
        # "any unknown labels MUST be ignored", "any unknown parameters MUST be ignored"
        (content_usage, "genai=n, train-ai=n;exceptions=?1", TRAIN),
        (content_usage, "bots=n", NOBODY),
        # "only the last value applies", and the two examples there
        (content_usage, "train-ai=n, train-ai=y", NOBODY),
        (content_usage, 'train-ai=y, train-ai, search=n, search="n"', NOBODY),
        (content_usage, "train-ai;allow=n, train-ai=y", NOBODY),
        # "If the parsing of the Dictionary fails, preferences are unknown", as with keys in upper case
        (content_usage, "Train-AI=n", NOBODY),
        (content_usage, "train-ai=n;", NOBODY),
        # contentsignals.org, and what Cloudflare writes into the robots.txt files that it manages
        (content_signal, "search=yes, ai-train=no", TRAIN),
        (content_signal, "search=yes,ai-train=no,use=reference", TRAIN),
        (content_signal, "search=no", SEARCH),
        (content_signal, "ai-input=no", TRAIN),
        (content_signal, "ai-train=yes, search=yes, ai-input=yes", NOBODY),
        (content_signal, " AI-Train = No ", TRAIN),
        (content_signal, "ai-train=yes, ai-train=no", TRAIN),
        # "(c) If the website operator does not include a Content-Signal for a corresponding use, the website operator
        # neither grants nor restricts permission"
        (content_signal, "search=yes", NOBODY),
        (content_signal, "ai-train, =no, no", NOBODY),
    ],
)
def test_preferences_of_use(read: Read, value: str, forbidden: set[str]) -> None:
    told = read(value, place="header")
    assert told.text == value.strip()
    assert {str(purpose) for purpose in told.forbids} == forbidden


@pytest.mark.parametrize(
    ("signal", "word", "forbidden"),
    [
        # TDMRep, "TDM Properties": 1, rights are reserved; 0, they are not; other values are protocol errors
        ("tdmrep", "1", SEARCH),
        ("tdmrep", "0", NOBODY),
        ("tdm-reservation", "0", NOBODY),
        # PLUS LDF, "Data Mining"
        ("data-mining", "DMI-UNSPECIFIED", NOBODY),
        ("data-mining", "DMI-ALLOWED", NOBODY),
        ("data-mining", "DMI-PROHIBITED", SEARCH),
        ("data-mining", "DMI-PROHIBITED-AIMLTRAINING", TRAIN),
        ("data-mining", "DMI-PROHIBITED-GENAIMLTRAINING", TRAIN),
        ("data-mining", "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", TRAIN),
        ("data-mining", "DMI-PROHIBITED-SEECONSTRAINT", SEARCH),
        ("data-mining", "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", SEARCH),
        ("data-mining", "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", SEARCH),
        ("data-mining", "DMI-ALLOWED-noaitraining", TRAIN),
        # CAWG 1.1, section 3.1
        ("training-mining", "data_mining=notAllowed", SEARCH),
        ("training-mining", "ai_inference=notAllowed", TRAIN),
        ("training-mining", "ai_training=notAllowed", TRAIN),
        ("training-mining", "ai_generative_training=notAllowed", TRAIN),
        ("training-mining", "ai_training=allowed", NOBODY),
        # RSL: terms for who reads them, never a no
        ("rsl-license", "https://example.com/license.xml", NOBODY),
    ],
)
def test_words_of_images_and_files(signal: str, word: str, forbidden: set[str]) -> None:
    assert {str(purpose) for purpose in said(signal, "there", word, (word,)).forbids} == forbidden


def test_who_trains_obeys_every_no_and_archives_what_forbids_images_altogether() -> None:
    for name, signal in SIGNALS.items():
        for word, forbidden in signal.words.items():
            assert Purpose.TRAIN in forbidden, (name, word)
            assert (Purpose.ARCHIVE in forbidden) == (name in REASONS and name.startswith(("no", "tdm-"))), (
                name
            )


def test_each_signal_that_forbids_has_its_error_and_its_switch() -> None:
    forbidding = {name for name, signal in SIGNALS.items() if signal.words}
    assert forbidding == {name for name, error in REASONS.items() if issubclass(error, OptedOut)}
    assert forbidding <= ObeyConfig().obeyed


@pytest.mark.parametrize("signal", [name for name, signal in SIGNALS.items() if signal.words])
def test_a_switch_takes_all_the_same_and_is_named(signal: str) -> None:
    word = next(iter(SIGNALS[signal].words))
    told = said(signal, "somewhere", f"it says {word}", (word,))
    everything = ObeyConfig().obeyed
    error = refusal([told], purpose=Purpose.TRAIN, obeyed=everything)
    assert isinstance(error, REASONS[signal])
    assert f"(somewhere: it says {word})" in error.detail
    assert error.detail.endswith(f"say --no-obey-{signal}")
    assert refusal([told], purpose=Purpose.TRAIN, obeyed=everything - {signal}) is None
    switches = {f"obey_{signal.replace('-', '_')}": False}
    assert signal not in ObeyConfig(**switches).obeyed


def test_the_page_of_opt_outs_is_made_of_the_table() -> None:
    assert opt_outs.PAGE.read_text(encoding="utf-8") == opt_outs.page(), (
        "run python -m tests.generators.opt_outs"
    )
