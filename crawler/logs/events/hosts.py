"""Events of hosts, of requests to them, and of the browser."""

from __future__ import annotations

from crawler.logs.events.event import debug, info, warning

HOST_GIVEN_UP = warning(
    "host-given-up",
    "{told}",
    means="A host can't be reached: what waits for it is settled as host-down.",
    more=("host", "reason", "tries", "lasts_s"),
)
HOST_SLOWED = info(
    "host-slowed",
    "{host} is asked every {pace_s:.3g} s from now on, after a pause of {pause_s:.0f} s",
    means="A host said 429 or 503 (or answers again): the pace is adapted.",
)
HOST_PAUSED = info(
    "host-paused",
    "{host} is left alone for {pause_s:.0f} s",
    means="A host is left alone for a while: Retry-After, or back-off after failures.",
)
NETWORK_DOWN = warning(
    "network-down",
    "none of the hosts that are asked can be reached: is our own network out?",
    means="No host at all can be reached: none is given up while this lasts.",
)
REQUEST = debug(
    "request",
    "{method} {url}: {http_status}",
    means="A request was answered.",
    more=("elapsed_s", "location"),
)
REQUEST_FAILED = debug("request-failed", "{method} {url}: {reason}: {detail}", means="A request failed.")
WAITING = debug(
    "waiting",
    "{url} waits {wait_s:.1f} s for its turn",
    means="A request waits: the host's delay, or its other requests, come first.",
)
ROBOTS_FORBIDS = debug(
    "robots-forbids", '{url}: line {line}, "{rule}"', means="A line of robots.txt forbids a URL."
)
ROBOTS_ALLOWS = debug(
    "robots-allows",
    '{url}: line {line}, "{rule}"',
    means="A line of robots.txt allows a URL; where none speaks of it, nothing is logged.",
)
ROBOTS_LINES_LEFT_OUT = info(
    "robots-lines-left-out",
    "{url}: {lines} lines on the use of content are too many to be kept",
    means="robots.txt of a host has too many lines on the use of content; the first ones count.",
)
HOST_FILE_MISSING = debug(
    "host-file-missing", "no {url}: {reason}", means="A host has no robots.txt, or tdmrep.json."
)
HOST_FILE_FAILED = info(
    "host-file-failed",
    "{url} is not to be had: {reason}",
    means="robots.txt or tdmrep.json of a host can't be read; nothing of the host is requested meanwhile.",
)
TRANSPORT = debug(
    "transport",
    "requests are sent by {library}: {why}",
    means="A process has chosen its transport: libcurl, or requests.",
)
CONNECTION_DROPPED = debug(
    "connection-dropped",
    "connection of {url} not kept: {reason}",
    means="The rest of an answer was not worth reading; the connection was closed.",
)
ADDRESS_PRIVATE = warning(
    "address-private",
    "{host} is at {addresses}, in a private network; only that may be asked there, and what --allow-addresses"
    " names",
    means="A seed is in a private network. For this machine's own addresses the level is INFO.",
)
ADDRESS_LEFT_OUT = warning(
    "address-left-out",
    "{host} has public addresses, and private ones, which are not asked: {addresses}",
    means="A seed has public addresses and private ones; the private ones are not requested.",
)
PARSER_FAILED = info(
    "parser-failed",
    "{parser} can't parse the page: {reason}",
    means="The HTML parser failed on a page; the other parser is tried.",
)

# --- the browser ---

BROWSER_STARTED = info(
    "browser-started",
    "pages are opened in {browser}, with {isolation}",
    means="A browser was started. The level is a warning if it is kept from the network in the weaker way.",
)
BROWSER_ENDED = warning(
    "browser-ended",
    "the browser has ended; another one is started",
    means="The browser crashed, or was killed.",
)
BROWSER_REPLACED = info(
    "browser-replaced",
    "the browser is replaced: {reason}",
    means="The browser did not answer in time, or has grown too large; another one is started.",
    more=("size_mib",),
)
BROWSER_KILLED = warning(
    "browser-killed",
    "the browser has taken {size_mib} MiB, and is killed",
    means="The browser took too much memory and was killed; its pages are tried again.",
)
BROWSER_PAGE_KILLED = info(
    "browser-page-killed",
    "a page has taken {size_mib} MiB in the browser, and is killed",
    means="A page took more memory than render_memory_bytes, and was closed.",
)
BROWSER_WANTED = warning(
    "browser-wanted",
    "{told}",
    means="Pages want a browser, and none was found: they wait for a machine that has one, or are refused.",
)
BROWSER_DETAIL = debug(
    "browser-detail",
    "{what}: {reason}",
    means="Something failed in a page, or on the way to the browser.",
    more=("url",),
)
RENDER_UNREADABLE = info(
    "render-unreadable",
    "what scripts have made of {url} can't be read: {reason}",
    means="What the browser made of a page can't be read; the page counts as it was sent.",
)
