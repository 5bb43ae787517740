"""What the log says: every event has a word that stays, a level, keys for machines, and a sentence for people.

    log = logging.getLogger(__name__)
    tell(log, WORKER_LOST, worker=worker_id, silent_s=61.0, tasks=3)

A line is made of it only when somebody wants it: a call below the level costs a comparison. What others have said
(pages, servers, other machines) is made one printable line here, and logins in URLs are hidden, whoever reads the log.
``docs/logging.md`` has the table; a test holds the calls, the table and this file to each other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from crawler.text import display
from crawler.text.plain_errors import plain

DEBUG, INFO, NOTICE, WARNING, ERROR = logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR
"""NOTICE is syslog's word for what is normal, and what an operator wants to know all the same (RFC 5424, 6.2.1)."""
logging.addLevelName(NOTICE, "NOTICE")

MAX_FACT_CHARS = 2000
_LINES = "traceback"
"""The one key whose value keeps its lines."""
_INDENTED = "line"
"""And the one that keeps its indent, as of a traceback."""
_LOGIN = re.compile(r"((?:\b[a-z][a-z0-9+.-]{1,20}:)?//)[^\s/?#@]*(?:@[^\s/?#@]*)*@", re.IGNORECASE)
_REDIS = re.compile("(?:redis|valkey)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Event:
    word: str
    level: int
    text: str
    """A sentence with ``{key}``, as ``str.format`` has it."""
    means: str
    """For who looks it up."""
    more: tuple[str, ...] = ()
    """Keys that the sentence does not have."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What is told with it, in the order of the sentence."""
        named = (name for _, name, _, _ in Formatter().parse(self.text) if name)
        return tuple(dict.fromkeys((*named, *self.more)))


class Message:
    """The message of a log record: a sentence when it is asked for one."""

    def __init__(self, event: Event, facts: Mapping[str, Any]) -> None:
        self.event = event
        self.facts = facts

    def __str__(self) -> str:
        said = self.event.text.format_map(self.facts)
        return f"{said}\n{self.facts[_LINES]}" if _LINES in self.facts else said


def tell(
    log: logging.Logger, event: Event, /, *, exc_info: bool = False, level: int = 0, **facts: Any
) -> None:
    """Log *event* with its *facts*, at another *level* if one is given; with the traceback of what is being handled.

    The record's ``event`` is the word, its ``facts`` are a dict of strings, numbers, booleans and None.
    """
    level = level or event.level
    if log.isEnabledFor(level):
        clean = {key: _clean(key, value) for key, value in facts.items()}
        extra = {"event": event.word, "facts": clean}
        log.log(level, Message(event, clean), exc_info=exc_info, stacklevel=2, extra=extra)


def hushed(text: str) -> str:
    """*text* with … for the logins in URLs. The name of a Redis user alone is none: one types it to join."""
    return _LOGIN.sub(_hidden, text) if "@" in text else text


def _hidden(found: re.Match[str]) -> str:
    is_name = _REDIS.match(found[1]) is not None and ":" not in found[0].removeprefix(found[1])
    return found[0] if is_name else f"{found[1]}…@"


def _clean(key: str, value: object) -> str | int | float | None:  # a bool is an int
    if value is None or isinstance(value, int | float):
        return value
    text = hushed(plain(value) if isinstance(value, BaseException) else str(value))
    if key == _LINES:
        return display.clean(text)
    line = display.one_line(text if len(text) <= MAX_FACT_CHARS else f"{text[:MAX_FACT_CHARS]}…")
    return f"{' ' * (len(text) - len(text.lstrip(' ')))}{line}" if key == _INDENTED else line


# --- what became of a task: see outcomes.py, which says of what it is ---

_IMAGE = ("found_in", "page_url", "http_status", "attempts", "elapsed_s", "worker", "revisit")
_PAGE = ("http_status", "attempts", "elapsed_s", "worker", "revisit", "depth")
_WHY = "{url}: {reason}: {detail}"

IMAGE_SAVED = Event(
    word="image-saved",
    level=INFO,
    text="{path} ({size}, {width_px}x{height_px} {format}) {url}",
    means="An image was saved.",
    more=("status", "size_bytes", "sha256", *_IMAGE),
)
IMAGE_DUPLICATE = Event(
    word="image-duplicate",
    level=INFO,
    text="{url} has the same bytes as {path}",
    means="The same bytes are kept already.",
    more=("status", "size_bytes", "sha256", *_IMAGE),
)
IMAGE_REJECTED = Event(
    word="image-rejected",
    level=INFO,
    text=_WHY,
    means="The image is not wanted: not an image, too small, its owner forbids it.",
    more=("status", *_IMAGE),
)
IMAGE_FAILED = Event(
    word="image-failed",
    level=INFO,
    text=_WHY,
    means="The image was not fetched, after all tries. In a refresh, what was saved before stands.",
    more=("status", *_IMAGE),
)
IMAGE_DEAD = Event(
    word="image-dead",
    level=INFO,
    text=_WHY,
    means="No worker came back with the image, in max_attempts leases.",
    more=("status", *_IMAGE),
)
IMAGE_UNCHANGED = Event(
    word="image-unchanged",
    level=INFO,
    text="{url} is still {path}",
    means="A refresh found the image as it was.",
    more=("status", "reason", *_IMAGE),
)
IMAGE_GONE = Event(
    word="image-gone",
    level=INFO,
    text="{url}: {reason}: {detail}",
    means="A refresh found that the server no longer has the image; what was saved is kept.",
    more=("status", "path", *_IMAGE),
)
PAGE_HARVESTED = Event(
    word="page-harvested",
    level=INFO,
    text="{url}: {images} images, {links} links",
    means="A page was read.",
    more=("status", *_PAGE),
)
PAGE_REJECTED = Event(
    word="page-rejected", level=INFO, text=_WHY, means="A page is not to be read.", more=("status", *_PAGE)
)
PAGE_FAILED = Event(
    word="page-failed",
    level=INFO,
    text=_WHY,
    means="A page was not fetched, after all tries.",
    more=("status", *_PAGE),
)
PAGE_DEAD = Event(
    word="page-dead",
    level=INFO,
    text=_WHY,
    means="No worker came back with a page, in max_attempts leases.",
    more=("status", *_PAGE),
)
PAGE_UNCHANGED = Event(
    word="page-unchanged",
    level=INFO,
    text="{url}: {images} images, {links} links, as before",
    means="A refresh found a page as it was.",
    more=("status", "reason", *_PAGE),
)
PAGE_GONE = Event(
    word="page-gone",
    level=INFO,
    text="{url}: {reason}: {detail}",
    means="A refresh found that a page is no longer there.",
    more=("status", *_PAGE),
)
RENDER_RENDERED = Event(
    word="render-rendered",
    level=INFO,
    text="{url}: {images} images more than without a browser, {requests} requests",
    means="A page was opened in the browser, and read.",
    more=("status", "links", *_PAGE),
)
RENDER_REJECTED = Event(
    word="render-rejected",
    level=INFO,
    text=_WHY,
    means="A page is not to be opened in the browser.",
    more=("status", *_PAGE),
)
RENDER_FAILED = Event(
    word="render-failed",
    level=INFO,
    text=_WHY,
    means="A page could not be opened in the browser.",
    more=("status", *_PAGE),
)
RENDER_DEAD = Event(
    word="render-dead",
    level=INFO,
    text=_WHY,
    means="No renderer came back with a page, in max_attempts leases.",
    more=("status", *_PAGE),
)
RENDER_UNCHANGED = Event(
    word="render-unchanged",
    level=INFO,
    text="{url}: {images} images more than without a browser, as before",
    means="A refresh found a page in the browser as it was.",
    more=("status", "reason", *_PAGE),
)
RENDER_GONE = Event(
    word="render-gone",
    level=INFO,
    text=_WHY,
    means="A refresh found that a page is no longer there.",
    more=("status", *_PAGE),
)
TASK_RETRIED = Event(
    word="task-retried",
    level=INFO,
    text="{url}: {reason}: {detail}; next try in {retry_in_s:.0f} s",
    means="A try has failed, and there will be another one.",
    more=("kind", "http_status", "attempts", "worker"),
)

# --- the crawl ---

CRAWL_STARTED = Event(
    word="crawl-started",
    level=NOTICE,
    text="{seeds}, into {folder}",
    means="A new crawl begins.",
    more=("waiting", "version"),
)
CRAWL_RESUMED = Event(
    word="crawl-resumed",
    level=NOTICE,
    text="{seeds}, in {folder}: {waiting} tasks wait",
    means="An earlier run did not end: the crawl goes on.",
    more=("version",),
)
CRAWL_REFRESHED = Event(
    word="crawl-refreshed",
    level=NOTICE,
    text="{seeds}, in {folder}: {waiting} URLs are visited once more",
    means="A crawl that had finished visits everything once more.",
    more=("version",),
)
CRAWL_FINISHED = Event(
    word="crawl-finished",
    level=NOTICE,
    text="{pages} pages, {images} images: {saved} saved, {duplicate} duplicate, {rejected} rejected,"
    " {failed} failed, {dead} dead; {size} in {elapsed_s:.0f} s",
    means="The crawl has finished: nothing is left to do.",
    more=("saved_bytes",),
)
CRAWL_INTERRUPTED = Event(
    word="crawl-interrupted",
    level=NOTICE,
    text="{reason}; the same command goes on",
    means="The run ended before the crawl did: Ctrl-C, SIGTERM, a stop, an error. Nothing is lost.",
)
CRAWL_HALTED = Event(
    word="crawl-halted",
    level=NOTICE,
    text="no more work is given out: {reason}",
    means="The queue gives out no more work: a stop, a full disk.",
)
CRAWL_PAUSED = Event(
    word="crawl-paused", level=NOTICE, text="by {by}", means="No more work is given out until crawl-unpaused."
)
CRAWL_UNPAUSED = Event(
    word="crawl-unpaused",
    level=NOTICE,
    text="by {by}",
    means="Work is given out again (image-crawler resume).",
)
CRAWL_OPEN = Event(
    word="crawl-open", level=INFO, text="{text}", means="How other machines join: the command to run there."
)

LIST_READ = Event(
    word="list-read",
    level=INFO,
    text="the list {list} names {urls} URLs, {new} of them new",
    means="A list (-i, --image-list) has been taken in.",
    more=("bad_lines",),
)
LIST_LINE = Event(
    word="list-line",
    level=WARNING,
    text="{list}, line {line}: {why}",
    means="A line of a list names no URL, and is passed over. Of many such lines some are logged.",
)
LIST_LINES = Event(
    word="list-lines",
    level=WARNING,
    text="{list}: {lines} lines in all name no URL",
    means="Lines of a list were passed over; not all were logged one by one.",
)
# --- workers ---

WORKER_JOINED = Event(
    word="worker-joined",
    level=NOTICE,
    text="{kind} {worker}, with {threads} threads (pid {pid}, version {version})",
    means="A worker has joined. It is logged once more when the manager was started again.",
    more=("machine",),
)
WORKER_LEFT = Event(
    word="worker-left",
    level=NOTICE,
    text="{kind} {worker} said goodbye; {tasks} tasks requeued",
    means="A worker has left in good order, and given back what it had not begun.",
    more=("machine", "done"),
)
WORKER_LOST = Event(
    word="worker-lost",
    level=WARNING,
    text="{kind} {worker} has not been seen for {silent_s:.0f} s; {tasks} tasks requeued",
    means="The leases of a worker have expired without a sign of life (lease_s): its tasks go back to the queue.",
    more=("machine", "done"),
)
WORKER_DIED = Event(
    word="worker-died",
    level=WARNING,
    text="{kind} {worker} has died; {tasks} tasks requeued",
    means="Its own machine says that a worker has ended without a word (kill -9, a crash).",
    more=("machine", "done"),
)
WORKER_RESTARTED = Event(
    word="worker-restarted",
    level=WARNING,
    text="a {name} has died ({why}); starting another",
    means="A process of this machine has died, and another one takes its place.",
)
MANAGER_RESTARTED = Event(
    word="manager-restarted",
    level=WARNING,
    text="the {name} has died ({why}); starting another",
    means="The process that has the queue, or collects from it, has died, and another one takes its place.",
)
MANAGER_LATE = Event(
    word="manager-late",
    level=WARNING,
    text="the {name} did not end in time",
    means="The manager did not end in time, and was killed; the next start repairs what it left.",
)
LEASES_EXPIRED = Event(
    word="leases-expired",
    level=WARNING,
    text="worker {worker} is lost, with {tasks} tasks; they are requeued",
    means="Leases of an unknown worker have expired: one of before the manager was started, or, with the queue"
    " in Redis, one that other workers heard of.",
)
LEASES_OVERDUE = Event(
    word="leases-overdue",
    level=WARNING,
    text="{worker} had {tasks} tasks for too long (max_lease_s); they are requeued",
    means="A worker is alive, and will not come back with these tasks.",
)
TASKS_TAKEN = Event(
    word="tasks-taken",
    level=WARNING,
    text="{tasks} tasks were given to other workers; is this one too slow?",
    means="This worker was silent for too long; its tasks went back to the queue.",
)
TASKS_NOT_RETURNED = Event(
    word="tasks-not-returned",
    level=WARNING,
    text="could not give {tasks} tasks back, their leases will run out: {reason}",
    means="A worker leaves, and its queue does not answer: its leases expire instead.",
)
HALT_NOT_TOLD = Event(
    word="halt-not-told",
    level=WARNING,
    text="could not tell the others to stop: {reason}",
    means="This machine can't go on, and its queue does not answer.",
)
LEASE_GRANTED = Event(
    word="lease-granted",
    level=DEBUG,
    text="{tasks} tasks of {host} to {worker}",
    means="Tasks were given to a worker.",
    more=("kind",),
)
LEASE_NOT_RETURNED = Event(
    word="lease-not-returned",
    level=WARNING,
    text="a lease could not be given back: {reason}",
    means="A lease could not be given back to the queue; it expires instead.",
)
RESULT_REFUSED = Event(
    word="result-refused",
    level=WARNING,
    text="refused what a worker says of {url}: {reason}",
    means="A worker handed in a result that can't be right; the task is tried again.",
    more=("worker",),
)
WORD_REFUSED = Event(
    word="word-refused",
    level=WARNING,
    text="not believed, for it was not asked: worker {worker} of {host}",
    means="A worker handed in a host's robots.txt that it was not told to fetch.",
)

# --- hosts, and what is asked of them ---

HOST_GIVEN_UP = Event(
    word="host-given-up",
    level=WARNING,
    text="{told}",
    means="A host can't be reached: what waits for it is settled as host-down.",
    more=("host", "reason", "tries", "lasts_s"),
)
HOST_SLOWED = Event(
    word="host-slowed",
    level=INFO,
    text="{host} is asked every {pace_s:.3g} s from now on, after a pause of {pause_s:.0f} s",
    means="A host said 429 or 503 (or answers again): the pace is adapted.",
)
HOST_PAUSED = Event(
    word="host-paused",
    level=INFO,
    text="{host} is left alone for {pause_s:.0f} s",
    means="A host is left alone for a while: Retry-After, or back-off after failures.",
)
NETWORK_DOWN = Event(
    word="network-down",
    level=WARNING,
    text="none of the hosts that are asked can be reached: is our own network out?",
    means="No host at all can be reached: none is given up while this lasts.",
)
REQUEST = Event(
    word="request",
    level=DEBUG,
    text="{method} {url}: {http_status}",
    means="A request was answered.",
    more=("elapsed_s", "location"),
)
REQUEST_FAILED = Event(
    word="request-failed",
    level=DEBUG,
    text="{method} {url}: {reason}: {detail}",
    means="A request failed.",
)
WAITING = Event(
    word="waiting",
    level=DEBUG,
    text="{url} waits {wait_s:.1f} s for its turn",
    means="A request waits: the host's delay, or its other requests, come first.",
)
ROBOTS_FORBIDS = Event(
    word="robots-forbids",
    level=DEBUG,
    text='{url}: line {line}, "{rule}"',
    means="A line of robots.txt forbids a URL.",
)
ROBOTS_ALLOWS = Event(
    word="robots-allows",
    level=DEBUG,
    text='{url}: line {line}, "{rule}"',
    means="A line of robots.txt allows a URL; where none speaks of it, nothing is logged.",
)
ROBOTS_LINES_LEFT_OUT = Event(
    word="robots-lines-left-out",
    level=INFO,
    text="{url}: {lines} lines on the use of content are too many to be kept",
    means="robots.txt of a host has too many lines on the use of content; the first ones count.",
)
HOST_FILE_MISSING = Event(
    word="host-file-missing",
    level=DEBUG,
    text="no {url}: {reason}",
    means="A host has no robots.txt, or tdmrep.json.",
)
HOST_FILE_FAILED = Event(
    word="host-file-failed",
    level=INFO,
    text="{url} is not to be had: {reason}",
    means="robots.txt or tdmrep.json of a host can't be read; nothing of the host is requested meanwhile.",
)
CONNECTION_DROPPED = Event(
    word="connection-dropped",
    level=DEBUG,
    text="connection of {url} not kept: {reason}",
    means="The rest of an answer was not worth reading; the connection was closed.",
)
ADDRESS_PRIVATE = Event(
    word="address-private",
    level=WARNING,
    text="{host} is at {addresses}, in a private network; only that may be asked there, and what --allow-addresses"
    " names",
    means="A seed is in a private network. For this machine's own addresses the level is INFO.",
)
ADDRESS_LEFT_OUT = Event(
    word="address-left-out",
    level=WARNING,
    text="{host} has public addresses, and private ones, which are not asked: {addresses}",
    means="A seed has public addresses and private ones; the private ones are not requested.",
)
PARSER_FAILED = Event(
    word="parser-failed",
    level=INFO,
    text="{parser} can't parse the page: {reason}",
    means="The HTML parser failed on a page; the other parser is tried.",
)

# --- the browser ---

BROWSER_STARTED = Event(
    word="browser-started",
    level=INFO,
    text="pages are opened in {browser}, with {isolation}",
    means="A browser was started. The level is a warning if it is kept from the network in the weaker way.",
)
BROWSER_ENDED = Event(
    word="browser-ended",
    level=WARNING,
    text="the browser has ended; another one is started",
    means="The browser crashed, or was killed.",
)
BROWSER_REPLACED = Event(
    word="browser-replaced",
    level=INFO,
    text="the browser is replaced: {reason}",
    means="The browser did not answer in time, or has grown too large; another one is started.",
    more=("size_mib",),
)
BROWSER_KILLED = Event(
    word="browser-killed",
    level=WARNING,
    text="the browser has taken {size_mib} MiB, and is killed",
    means="The browser took too much memory and was killed; its pages are tried again.",
)
BROWSER_PAGE_KILLED = Event(
    word="browser-page-killed",
    level=INFO,
    text="a page has taken {size_mib} MiB in the browser, and is killed",
    means="A page took more memory than render_memory_bytes, and was closed.",
)
BROWSER_WANTED = Event(
    word="browser-wanted",
    level=WARNING,
    text="{told}",
    means="Pages want a browser, and none was found: they wait for a machine that has one, or are refused.",
)
BROWSER_DETAIL = Event(
    word="browser-detail",
    level=DEBUG,
    text="{what}: {reason}",
    means="Something failed in a page, or on the way to the browser.",
    more=("url",),
)
RENDER_UNREADABLE = Event(
    word="render-unreadable",
    level=INFO,
    text="what scripts have made of {url} can't be read: {reason}",
    means="What the browser made of a page can't be read; the page counts as it was sent.",
)

# --- this machine, its files, and the queue on the network ---

CONNECTION_REFUSED = Event(
    word="peer-dropped",
    level=INFO,
    text="dropped a peer at {address}: {reason}",
    means="A connection was closed: the peer does not know the key, or speaks another protocol.",
)
CONNECTION_FAILED = Event(
    word="peer-not-taken",
    level=WARNING,
    text="can't take a connection: {reason}",
    means="A connection was refused: the manager has no more file descriptors or threads.",
)
QUEUE_SILENT = Event(
    word="queue-silent",
    level=WARNING,
    text="no answer from {where} so far ({reason}); trying for {for_s:.0f} s more",
    means="The manager, or Redis, can't be reached.",
)
QUEUE_BACK = Event(
    word="queue-back",
    level=WARNING,
    text="{where} answers again",
    means="The queue answers again, after queue-silent or queue-away.",
)
QUEUE_AWAY = Event(
    word="queue-away", level=WARNING, text="{reason}; it is waited for", means="Redis can't be reached."
)
QUEUE_WAITED_FOR = Event(
    word="queue-waited-for",
    level=WARNING,
    text="{told}; waiting for it",
    means="There is no crawl at that address so far, or it does not go on.",
)
QUEUE_REBUILT = Event(
    word="queue-rebuilt",
    level=WARNING,
    text="{reason}; the queue is made anew",
    means="Something else has written to what lies in Redis; crawl.db has all that is settled.",
)
QUEUE_REFILLED = Event(
    word="queue-refilled",
    level=WARNING,
    text="{where} may have lost something, and is given it again",
    means="Redis was started again, or another server has taken its place; the queue is filled again.",
)
QUEUE_DAMAGED = Event(
    word="queue-damaged",
    level=WARNING,
    text="{key} can't be read ({reason}): something else has written to it",
    means="What lies in Redis is not what was written.",
)
QUEUE_ENTRIES_REMOVED = Event(
    word="queue-entries-removed",
    level=WARNING,
    text="{key} had {entries} entries that are not the crawl's, as {first}; they are removed",
    means="Something else has written to Redis.",
)
QUEUE_FIELD_PASSED_OVER = Event(
    word="queue-field-passed-over",
    level=WARNING,
    text="{key} has a field {field} that is no crawl's; it is passed over",
    means="Something else has written to Redis.",
)
QUEUE_LIST_REMOVED = Event(
    word="queue-list-removed",
    level=WARNING,
    text="{reason}; it is removed, with what it had of other crawls",
    means="The list of crawls in Redis can't be read.",
)
QUEUE_NOT_DURABLE = Event(
    word="queue-not-durable",
    level=WARNING,
    text="{where} keeps no append-only file: when it dies, the pages of the crawl have to be read once more;"
    " set appendonly yes there",
    means="Redis may lose the crawl.",
)
NOT_COLLECTED = Event(
    word="not-collected",
    level=WARNING,
    text="{reason}; what has not been collected will be at the next start",
    means="Redis can't be reached at the end of the run; its records are collected by the next one.",
)
CALL_FAILED = Event(
    word="call-failed",
    level=ERROR,
    text="a call of {method} failed",
    means="A fault of this program, with its traceback.",
)
INTERNAL_ERROR = Event(
    word="internal-error",
    level=ERROR,
    text="internal error at {url}",
    means="A fault of this program, with its traceback; the URL is recorded with that reason.",
    more=("traceback",),
)
PROCESS_FAILED = Event(
    word="process-failed",
    level=ERROR,
    text="{what}",
    means="A fault of this program has ended one of its processes, with its traceback.",
)
STDERR = Event(
    word="stderr",
    level=WARNING,
    text="{line}",
    means="What a process of the crawl, or a library in it, has written to its standard error.",
)
LOG_LINES_LOST = Event(
    word="log-lines-lost",
    level=WARNING,
    text="{lines} lines of the log were dropped: they came faster than they were written",
    means="Lines came faster than they could be written, and were dropped.",
)
KEY_EXPOSED = Event(
    word="key-exposed",
    level=WARNING,
    text="others may read the {what} in {file}; chmod 600 it",
    means="The file's permissions are too wide.",
)
LOGIN_UNUSED = Event(
    word="login-unused",
    level=WARNING,
    text="the user name in the seed {seeds} is not used; say --login USER:PASSWORD",
    means="A URL with a login was given as a seed.",
)
COOKIES_UNUSED = Event(
    word="cookies-unused",
    level=WARNING,
    text="{text}",
    means="Of the file of --cookies some have expired, are of no use, or none is for a host of the seeds.",
)
PROXY_UNUSED = Event(
    word="proxy-unused",
    level=WARNING,
    text="{text}",
    means="The environment names a proxy (HTTPS_PROXY …) that the seeds would be asked through, and --proxy does not.",
)
IMAGES_MISSING = Event(
    word="images-missing",
    level=WARNING,
    text="{told} missing from {folder}, and fetched again",
    means="Somebody has removed images from the crawl's folder.",
    more=("images",),
)
ROW_MENDED = Event(
    word="row-mended",
    level=WARNING,
    text="{file}: the row of {url} can't be right, and {what}",
    means="crawl.db has a row that was not written by this program.",
)
ROW_DOUBTED = Event(
    word="row-doubted",
    level=WARNING,
    text="{told}",
    means="crawl.db has values that can't be right; they count as not told.",
)
FILE_UPGRADED = Event(
    word="file-upgraded",
    level=INFO,
    text="{file} was written by an earlier version, and is of schema {schema} now",
    means="crawl.db was brought up to date.",
)
FILE_NOT_RESTORED = Event(
    word="file-not-restored",
    level=WARNING,
    text="{file} could not be put back: {reason}",
    means="crawl.db was removed while the crawl ran.",
)
STORAGE_SILENT = Event(
    word="storage-silent",
    level=WARNING,
    text="no answer from {where} ({reason}); asking again for up to {for_s:g} s",
    means="The object store can't be reached.",
)
STORAGE_BACK = Event(
    word="storage-back",
    level=INFO,
    text="{where} answers again, after {after_s:.1f} s",
    means="The object store answers again, after storage-silent.",
)
WATCH_ENDED = Event(
    word="watch-ended",
    level=WARNING,
    text="the crawl can't be watched any longer: {reason}",
    means="Whoever has the queue of a watched crawl does not answer any more (status --watch).",
)
ERROR_TOLD = Event(
    word="error",
    level=ERROR,
    text="{text}",
    means="Why the command ended; only with --log-format json on stderr, else it is the last line there.",
)

EVENTS: dict[str, Event] = {
    each.word: each
    for each in sorted(
        (each for each in vars().copy().values() if isinstance(each, Event)), key=lambda each: each.word
    )
}
"""All of them, by their words."""
