"""Numbers and words that both engines of the queue go by, each stated once, with its reason.

Python reads them here as ``policy.NAME``. In the Lua of the queue in Redis they stand as ``POLICY.NAME``, and
``redis/scripts.py`` puts the value in that place. So they hold for whoever gives a command, whatever the version of who
began the crawl, and cost a call nothing; a table of them in the crawl's settings would cost 9 µs of 55.

Names end in their unit: seconds, bytes, chars, or TIMES something. A number without one counts what its name says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from crawler import models, queues, urls
from crawler.errors import HostDown, InternalError, LeaseExpired
from crawler.models import image_words


class Trouble(StrEnum):
    """How it is with a host in trouble."""

    BACKING_OFF = "backing off"
    ONLY_ERRORS = "only errors"
    DOWN = "down"
    RECOVERING = "recovering"
    SLOWED = "slowed"
    """It has refused requests for coming too fast: see throttle.py."""


# --- hosts in trouble: host_health.py ---

IN_A_ROW = 3
"""Failures before a host counts as in trouble: one URL that is broken, or two, slow nothing down."""
FIRST_PAUSE_S = 1.0
"""Of a host in trouble; doubles with each try that fails."""
MOST_PAUSE_S = 60.0
"""A host that is back is noticed within a minute."""
LEAST_TRIES = 4
"""Before a host is given up, whatever the time: the requests of one moment are one try."""
DOUBT_TIMES = 10
"""So many times ``host_patience_s`` while it may be our own network that is out: then all hosts would be given up."""
BUSY_TIMES = 2.5
"""So many times ``host_patience_s`` before a host is given up that answers, with nothing of use: it may get over it."""
BROKEN_SHARE = 2
"""One in so many of the requests that may be in flight else, to a host that says that it is broken."""
COOL_OFF_S = 600.0
"""Before a host that is down is asked again; doubles each time."""
MOST_COOL_OFF_S = 3600.0
"""A crawl that runs for days finds a host that is back within the hour."""
MOST_RUNS = 20_000
"""Hosts in trouble that are known at a time, hosts that have refused, and hosts that have answered: pages may name
hosts without end. Then the one that was heard of longest ago is forgotten."""
SHOWN_DETAIL_CHARS = 200
"""Of what went wrong last, in a table or a sentence."""

# --- hosts that refuse to be asked: throttle.py ---

FIRST_PACE_S = 0.02
"""Before anything was measured."""
MOST_PACE_S = 60.0
LEAST_PACE_S = 0.002
"""A shorter one is none."""
PACE_SHARE = 0.9
"""The pace is that part of what the host allows: with all of it the limit would be hit again and again."""
LEAST_GIVEN = 10
"""Fewer answers between two events measure nothing: a bucket may have been full for most of the time."""
SLOWER_TIMES = 2.0
"""The pace gets so many times longer, at the most, by an event with fewer than LEAST_GIVEN answers before it."""
ABOUT_TIMES = 1.5
"""Two measures that differ by no more than so many times say the same."""
FIRST_GROWTH_S = 15.0
"""After so long without an event twice as much is asked for, after twice that sixteen times; doubles with each event
that says the same as the one before.
"""
MOST_GROWTH_S = 480.0
REFUSED_FIRST_PAUSE_S = 1.0
"""Doubles while nothing but refusals comes."""
REFUSED_FIRST_LONG_PAUSE_S = 2.0
"""Where more than REFUSED_MOST_PAUSE_S is asked for."""
REFUSED_MOST_PAUSE_S = 60.0
"""More is believed of many answers only: one URL of a host may ask for an hour."""
LATEST_ANSWERS = 10
BELIEVED_REFUSALS = 6
"""Of the LATEST_ANSWERS: most of them."""
MOST_ASKED_S = 3600.0
"""Of a Retry-After: whatever it says, the host is asked within the hour."""
REFUSED_LEAST_TRIES = 4
REFUSED_TIMES = 10
"""A host that gives nothing but refusals is given up after so many times ``host_patience_s``: it is there."""
REFUSED_ASKED_TIMES = 2
"""Nor is it given up before so many times what it asks for: then it had its way, and refuses all the same."""
REFUSED_ATTEMPTS_TIMES = 4
"""So many times ``max_attempts``, of what is refused again and again."""

# --- whose turn it is: politeness.py ---

STARVED_S = 10.0
"""So long a worker that got nothing counts as one who waits: twice as long as it waits for one answer."""
CROWDED_S = 1.0
"""So long after a guest has found no room nothing is leased of a host: its slots get free as hands become empty."""
TASKS_PER_SLOT = 8
"""How many tasks a worker may hold for each slot: enough to hide a round trip to the queue."""
GUEST_S = 120.0
"""So long a request counts as under way of which nobody says that it is over: its worker has gone."""
ASK_AGAIN_S = models.ASK_AGAIN_S
"""Whoever finds a host crowded, or its file being fetched, asks again after that."""
CLAIM_S = 60.0
"""So long nobody else fetches a file of a host."""
BURST_S = 0.25
"""What has not been asked for is still there for so long: a worker's question is on its way meanwhile."""
HORIZON_S = queues.HORIZON_S

# --- leases and records: leases.py, settling.py, ledger.py ---

GIVEN_UP_AT_ONCE = 2000
"""Waiting tasks of a host that is down, in one step: that takes a tenth of a second or so, and everybody waits."""
GIVING_UP_EVERY_S = 0.25
"""From one such step to the next: others have their turn in between."""
RELEASED_AT_ONCE = 200
"""Sizes of pictures that need wait no longer, in one step: 20 ms or so."""
REFUSED_RESULT_S = 2.0
"""A task whose result was refused, as it can't be right, waits so long, and twice as long each time: in a soak one
hostile worker took the same task five times in a row, and it was given up."""
REPLY_BYTES = 2**20
"""Of one answer, tasks or records: a quarter of what a message may be."""
MAX_RECORDS = 200
"""In one answer."""
GONE_WORKERS = 10_000
"""Workers that have left are remembered, for a late call must not bring one back; then the first is forgotten."""

# --- what is kept: cookies.py, left_out.py, picture_sizes.py ---

MOST_COOKIES = 3_000
MOST_COOKIES_OF_DOMAIN = 50
"""What a browser has to keep at the least (RFC 6265, section 6.1)."""
COOKIES_AT_ONCE = 100
"""Changes in one answer: each may have 12 KB, and a message has 4 MiB."""
MOST_LEFT_OUT = 100_000
"""URLs that were left out and are kept: a site may name URLs without end."""
MOST_LEFT_OUT_OF_EACH = 2_000
"""Of each reason, whatever the others have: a sample of all."""
MOST_LEFT_OUT_BYTES = 16_384
"""Of one on its way through Redis: memory is dear there, and none that is very long is told of."""
MAX_BEHIND = 50
"""Sizes that wait for one picture: beyond so many the smallest is left out."""

# --- what is shown: status.py, delayed.py ---

SHOWN_WORKERS = 500
"""Of up to 7 KB each: a message has 4 MiB."""
SHOWN_HOSTS = 50
SHOWN_TROUBLED = 20
SHOWN_WAITING = 5
SHOWN_RETRIES = 5
SHOWN_FAILURES = 16
"""Reasons with their latest failure."""
SHOWN_URL = models.SHOWN_URL
LOOKED_AT = 50
DUE_LOOKED_AT = 200
"""Hosts, or tasks, to find those that are shown: it is asked twice a second, of crawls with 100,000 hosts as well; and
a host that answers 429 to everything may have the next thousand tasks."""

# --- page templates: page_templates.py ---

PROBES: Final = 3
"""Pages of a template that are rendered to find out: one may have nothing by chance."""
DRY_RENDERS: Final = 5
"""In a row without a fresh gain, after which a template that had gains is skipped."""
TEMPLATE_CLAIM_S: Final = 120.0
"""So long a page may be at hand that is to be rendered to find out; far longer than any takes."""
TEMPLATE_WAIT_S: Final = 1.0
"""Before who waits for a verdict asks again."""
FAILED_RENDERS: Final = 6
"""In a row, after which a template is skipped."""
FAMILY_RENDERS: Final = 24
FAMILY_TEMPLATES: Final = 8
"""So many of a family without any gain say that a further one has none."""
GAINED_FAMILY_RENDERS: Final = 72
GAINED_FAMILY_TEMPLATES: Final = 24
"""So many of a family without a fresh gain say the same, where there were gains before."""
MOST_TEMPLATES: Final = 2_000
"""Templates and families that are known of one host; the rest of its pages count as one template."""
MOST_FOUND: Final = 400
"""Hashes that are kept of a template, of 4 bytes."""
MOST_BEHAVIOURS: Final = 64
MOST_TOLD_OF: Final = 16
"""Tasks whose outcomes are known to have been told: a call whose answer was lost is made again."""

# --- the queue in Redis alone ---

STANDSTILL_S = 10
"""The queue's clock stands still while nobody can reach it: it goes on by no more than that from call to call."""
LEASE_STANDSTILL = 1 / 8
"""The clock of leases goes on by no more than this part of a lease: even a short one has to outlast an outage."""
QUIET_S = 1
"""No page was at hand for so long before sizes are released: what other shards have said is up to a second old."""
RECENT_S = 600
"""So long a settled page can be had once more, for another shard may have lost what it led to."""
ENDED_S = 86_400
"""So long whoever still asks hears that the crawl has ended."""
SAMPLE_S = 15
"""Between the points of a rate: it is over the last 15 to 30 seconds."""
BUCKET_FIELDS = 120
"""Known URLs of one hash: servers keep 512 fields packed, and look through half of them for each."""
WOKEN_AT_ONCE = 1000
"""Hosts, tasks or guests whose time has come, in one command: meanwhile nobody else is served."""
GIVEN_BACK_AT_ONCE = 100
"""Lost workers, hosts that may be asked again, or are forgotten, in one command."""
ENTRIES_BYTES = 4 * 2**20
"""Of the entries of a stream in one answer, but for the last one."""
TROUBLED_LOOKED_AT = 201
"""Hosts with failures, to find those that are in trouble."""

# --- words ---

SESSION_ID = "session-id"
"""Under which repeats of a task's URL that differ only in a session id are counted."""
SMALLER_SIZE = "smaller-size"
"""Under which sizes are counted that are left out, as a larger one of their picture is saved."""
MAX_PAGES = "max-pages"
MAX_IMAGES = "max-images"
LEASE_EXPIRED = LeaseExpired.reason
HOST_DOWN = HostDown.reason
INTERNAL_ERROR = InternalError.reason
DATA_HOST = urls.DATA_HOST
WORTH_KEEPING = models.WORTH_KEEPING
BACKING_OFF, ONLY_ERRORS, DOWN, RECOVERING, SLOWED = Trouble

# --- bits ---

FLAG_SEED = 1
FLAG_KEPT = 2
"""Of a task with the record of an earlier visit, which stands whatever comes of this one."""
FLAG_NEXT_SIZE = 4
"""Of a size that takes another one's place."""
FLAG_HAS_NEXT = 8
"""Of a picture that has further sizes, should this one not be had."""
FLAG_SIZED = 16
"""Of a URL with the mark of a size."""
NOTE_WORDS = image_words.ALL
"""All bits of a URL's note that are words'; see ``image_words``."""
NOTE_SAVED = 16
NOTE_FAILED = 32
"""What became of an original; see lua/shared/picture_sizes.lua."""
NOTE_MARKED = 64
"""No original, but one more size."""
