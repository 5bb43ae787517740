"""What to do about each reason, for the people who read why an image is not there."""

from __future__ import annotations

import inspect

from crawler.errors.reasons import REASONS

_LATER = "It often passes: image-crawler retry DIR --reason {0} asks once more"
_REPORT = "Please report it, with the URL and the lines of the log"
_SOUND_SITE = "Open the URL in a browser: what is broken there is broken at the site"
_CONSENT = "Ask the owner; the same command with --no-obey-{0} takes it all the same"

ADVICE: dict[str, str] = {
    # --- the network ---
    "host-not-found": "Nothing to do if the host is gone; if it is not, check the name and the name servers here",
    "name-lookup-failed": "Check the network and the name servers of this machine, then image-crawler retry DIR",
    "connect-failed": _LATER,
    "connect-timeout": "The same command with a longer --connect-timeout-s tries it again",
    "tls-failed": "Check the clock of this machine; the same command with --no-verify-tls takes any certificate",
    "connection-lost": _LATER,
    "deadline-exceeded": "The same command with a longer --total-timeout-s tries it again",
    "too-slow": "The same command with a lower --min-rate-bytes-s tries it again",
    "truncated-transfer": _LATER,
    "bad-response": _SOUND_SITE,
    "too-many-redirects": "The same command with --keep-cookies tries it again: such sites mostly want a cookie back",
    "bad-redirect": "Nothing to do: the link is wrong at the site",
    "invalid-url": "Nothing to do: the link is wrong at the site",
    # --- what the server says ---
    "not-found": "Nothing to do: the site links to what is not there",
    "login-required": "The same command with --login, or with --keep-cookies and a browser's --cookies",
    "forbidden": "If a browser shows it: the same command with --keep-cookies and that browser's --cookies",
    "bot-challenge": "Ask the owner; the same command with --keep-cookies and a browser's --cookies may be let through",
    "client-error": _SOUND_SITE,
    "request-timeout": _LATER,
    "rate-limited": "First image-crawler retry DIR --reason {0}, then crawl more slowly (--delay-s, --per-host)",
    "server-error": _LATER,
    "unexpected-status": _SOUND_SITE,
    "robots-unavailable": "Once its robots.txt answers: image-crawler retry DIR --reason {0}",
    "host-down": "Once the host answers again: image-crawler retry DIR --reason {0}",
    # --- this program, and its machines ---
    "browser-failed": "Check that Chromium starts on this machine, then image-crawler retry DIR --renders",
    "internal-error": _REPORT,
    "out-of-memory": "Give the machine more memory or fewer --downloaders, then image-crawler retry DIR",
    "lease-expired": "Check that the workers keep running, then image-crawler retry DIR --reason lease-expired",
    # --- the content ---
    "too-large": "The same command with a higher --max-image-bytes, --max-svg-bytes or --max-page-bytes takes it",
    "empty": "Nothing to do: the site sends nothing",
    "not-an-image": "Nothing to do, unless a browser shows a picture there: it may need cookies (--cookies)",
    "truncated-image": "The same command with --incomplete keep takes those that lack only their end",
    "corrupt-image": "Nothing to do: the file is broken at the site",
    "unsupported-format": "Nothing to do: this format can't be checked here, so it is not kept",
    "too-many-pixels": "The same command with a higher --max-pixels takes it; it needs memory to match",
    "decode-timeout": "The same command with a longer --decode-timeout-s tries it again",
    "decoder-crashed": "Take it with other tools only if you trust the site: such files are mostly hostile",
    "page-timeout": "The same command with a longer --page-timeout-s tries it again",
    "page-crashed": "The same command with a higher --render-memory-bytes tries it again",
    "no-browser": "Install Chromium, then give the same command again",
    "no-gain": "Nothing to do; the same command with --render always opens it all the same",
    "reader-crashed": _REPORT,
    "too-much-memory": "Raise --memory-budget-bytes on that machine, then image-crawler retry DIR --reason {0}",
    # --- what was asked for ---
    "too-small": "The same command with a lower --min-width-px, --min-height-px or --min-image-bytes takes it",
    "unwanted-format": "The same command with more --formats takes it",
    "unwanted-aspect": "The same command with a higher --max-aspect takes it",
    "forbidden-address": "If that network is yours: the same command with --allow-addresses and its address takes it",
    "not-html": "Nothing to do: there are no images in such files",
    "repeated-page": "Nothing to do: the same page was read at another URL",
    "not-css": "Nothing to do: the style sheet is not there at the site",
    "unexpected-content": "Nothing to do: the file is not there at the site",
    "no-sitemap": "Nothing to do: most sites have none",
    "out-of-scope": "The same command with a wider --scope takes it",
    "excluded": "The same command with other --include or --exclude takes it",
    # --- what owners ask ---
    "robots-disallowed": "Ask the owner; the same command with --no-obey-robots-txt takes it all the same",
    "noindex": _CONSENT,
    "noimageindex": _CONSENT,
    "noai": _CONSENT,
    "noimageai": _CONSENT,
    "tdm-reservation": _CONSENT,
    "tdmrep": _CONSENT,
    "content-usage": _CONSENT,
    "content-signal": _CONSENT,
    "data-mining": _CONSENT,
    "training-mining": _CONSENT,
}
"""One sentence for each of REASONS, without its full stop; DIR in it stands for the crawl's folder.

Options in it are those of ``crawl``.
"""
ADVICE = {reason: sentence.format(reason) for reason, sentence in ADVICE.items()}


def meaning(reason: str) -> str:
    """What *reason* means, in a sentence or two; empty for what is none of REASONS."""
    error = REASONS.get(reason)
    return " ".join(inspect.cleandoc(error.__doc__ or "").split()) if error else ""
