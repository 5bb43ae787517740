"""What opt-outs mean for a crawl: a table of signals, their words, and the purposes that these forbid. Pure.

A signal about one use (``ai-train=no``) forbids that use, and no other: a crawl for it obeys, others keep the opt-out
in their records, by which a data set can be filtered later. A crawl for training obeys all of them. A signal that
forbids images altogether (``noindex``, ``noai`` … ``tdm-reservation``) is obeyed for every purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from crawler.errors import REASONS, TaskError
from crawler.models import MAX_OPT_OUT_CHARS, OptOut, Purpose

ALL = (Purpose.ARCHIVE, Purpose.SEARCH, Purpose.TRAIN)
_SEARCH = (Purpose.SEARCH, Purpose.TRAIN)
_TRAIN = (Purpose.TRAIN,)

NOINDEX, NOIMAGEINDEX, NOAI, NOIMAGEAI = "noindex", "noimageindex", "noai", "noimageai"
TDM_RESERVATION = "tdm-reservation"
TDMREP = "tdmrep"
CONTENT_USAGE, CONTENT_SIGNAL = "content-usage", "content-signal"
DATA_MINING, TRAINING_MINING = "data-mining", "training-mining"
RSL_LICENSE = "rsl-license"


class Signal(NamedTuple):
    """One way to opt out."""

    where: str
    """The place where it is found, for the documentation."""
    source: str
    """The specification that defines it."""
    words: dict[str, tuple[Purpose, ...]]
    """The purposes that each of its words forbids; other words forbid nothing."""


SIGNALS: dict[str, Signal] = {
    **{
        name: Signal(
            "`X-Robots-Tag`, `<meta name=robots>` of the page",
            "DeviantArt" if "ai" in name.removeprefix("noimage") else "Google, robots meta tag",
            {name: ALL},
        )
        for name in (NOINDEX, NOIMAGEINDEX, NOAI, NOIMAGEAI)
    },
    TDM_RESERVATION: Signal(
        "header `tdm-reservation`, `<meta>` of the page", "TDMRep, W3C CG report, 10 May 2024", {"1": ALL}
    ),
    TDMREP: Signal("`/.well-known/tdmrep.json`", "TDMRep, W3C CG report, 10 May 2024", {"1": _SEARCH}),
    CONTENT_USAGE: Signal(
        "header `Content-Usage`, robots.txt",
        "draft-ietf-aipref-attach-05, draft-ietf-aipref-vocab",
        {"search=n": _SEARCH, "train-ai=n": _TRAIN},
    ),
    CONTENT_SIGNAL: Signal(
        "`Content-Signal` in robots.txt, or as a header",
        "contentsignals.org",
        {"search=no": _SEARCH, "ai-input=no": _TRAIN, "ai-train=no": _TRAIN},
    ),
    DATA_MINING: Signal(
        "`plus:DataMining` in the XMP of the image",
        "IPTC Photo Metadata 2023.1, PLUS LDF",
        {
            "DMI-PROHIBITED": _SEARCH,
            "DMI-PROHIBITED-SEECONSTRAINT": _SEARCH,
            "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": _SEARCH,
            "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": _SEARCH,
            "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": _TRAIN,
            "DMI-PROHIBITED-AIMLTRAINING": _TRAIN,
            "DMI-PROHIBITED-GENAIMLTRAINING": _TRAIN,
            # of the draft of 2023, before the names were settled
            "DMI-ALLOWED-noaitraining": _TRAIN,
            "DMI-ALLOWED-noaigentraining": _TRAIN,
            "DMI-SEE-constraint": _TRAIN,
            "DMI-SEE-embeddedrightsexpr": _TRAIN,
            "DMI-SEE-linkedrightsexpr": _TRAIN,
        },
    ),
    TRAINING_MINING: Signal(
        "assertion `cawg.training-mining`, or `c2pa.training-mining`, in the Content Credentials of the image",
        "CAWG Training and Data Mining Assertion 1.1, C2PA 1.4",
        {
            "data_mining=notAllowed": _SEARCH,
            "ai_inference=notAllowed": _TRAIN,
            "ai_training=notAllowed": _TRAIN,
            "ai_generative_training=notAllowed": _TRAIN,
        },
    ),
    RSL_LICENSE: Signal("`License:` in robots.txt, header `Link`", "RSL 1.0, 10 Dec 2025", {}),
}
"""All signals by slug, which is also the reason of the error, and the name of the switch (--no-obey-SLUG)."""


def said(signal: str, place: str, text: str, words: Iterable[str]) -> OptOut:
    """The opt-out of *signal* found at *place*: it forbids what any of its *words* forbids."""
    known = SIGNALS[signal].words
    forbidden = {purpose for word in words for purpose in known.get(word, ())}
    return OptOut(
        signal=signal,
        place=place,
        text=text.strip()[:MAX_OPT_OUT_CHARS],
        forbids=tuple(purpose for purpose in Purpose if purpose in forbidden),
    )


def refusal(told: Iterable[OptOut], *, purpose: Purpose, obeyed: frozenset[str]) -> TaskError | None:
    """The error of an image with the opt-outs *told*; None if it may be taken. *obeyed* are the signals that count."""
    for one in told:
        if one.signal in obeyed and purpose in one.forbids:
            asks_s = (
                f"its owner asks for {one.signal}"
                if one.forbids == ALL
                else f"its owner says no to {purpose}"
            )
            return REASONS[one.signal](
                f"{asks_s} ({one.place}: {one.text}); to take it all the same, say --no-obey-{one.signal}"
            )
    return None
