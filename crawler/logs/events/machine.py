"""Events of this machine, of its files, and of the queue on the network."""

from __future__ import annotations

from crawler.logs.events.event import error, info, warning

CONNECTION_REFUSED = info(
    "peer-dropped",
    "dropped a peer at {address}: {reason}",
    means="A connection was closed: the peer does not know the key, or speaks another protocol.",
)
CONNECTION_FAILED = warning(
    "peer-not-taken",
    "can't take a connection: {reason}",
    means="A connection was refused: the manager has no more file descriptors or threads.",
)
QUEUE_SILENT = warning(
    "queue-silent",
    "no answer from {where} so far ({reason}); trying for {for_s:.0f} s more",
    means="The manager, or Redis, can't be reached.",
)
QUEUE_BACK = warning(
    "queue-back", "{where} answers again", means="The queue answers again, after queue-silent or queue-away."
)
QUEUE_AWAY = warning("queue-away", "{reason}; it is waited for", means="Redis can't be reached.")
QUEUE_WAITED_FOR = warning(
    "queue-waited-for",
    "{told}; waiting for it",
    means="There is no crawl at that address so far, or it does not go on.",
)
QUEUE_REBUILT = warning(
    "queue-rebuilt",
    "{reason}; the queue is made anew",
    means="Something else has written to what lies in Redis; crawl.db has all that is settled.",
)
QUEUE_REFILLED = warning(
    "queue-refilled",
    "{where} may have lost something, and is given it again",
    means="Redis was started again, or another server has taken its place; the queue is filled again.",
)
QUEUE_DAMAGED = warning(
    "queue-damaged",
    "{key} can't be read ({reason}): something else has written to it",
    means="What lies in Redis is not what was written.",
)
QUEUE_ENTRIES_REMOVED = warning(
    "queue-entries-removed",
    "{key} had {entries} entries that are not the crawl's, as {first}; they are removed",
    means="Something else has written to Redis.",
)
QUEUE_FIELD_PASSED_OVER = warning(
    "queue-field-passed-over",
    "{key} has a field {field} that is no crawl's; it is passed over",
    means="Something else has written to Redis.",
)
QUEUE_LIST_REMOVED = warning(
    "queue-list-removed",
    "{reason}; it is removed, with what it had of other crawls",
    means="The list of crawls in Redis can't be read.",
)
QUEUE_NOT_DURABLE = warning(
    "queue-not-durable",
    "{where} keeps no append-only file: when it dies, the pages of the crawl have to be read once more;"
    " set appendonly yes there",
    means="Redis may lose the crawl.",
)
NOT_COLLECTED = warning(
    "not-collected",
    "{reason}; what has not been collected will be at the next start",
    means="Redis can't be reached at the end of the run; its records are collected by the next one.",
)
CALL_FAILED = error(
    "call-failed", "a call of {method} failed", means="A fault of this program, with its traceback."
)
INTERNAL_ERROR = error(
    "internal-error",
    "internal error at {url}",
    means="A fault of this program, with its traceback; the URL is recorded with that reason.",
    more=("traceback",),
)
PROCESS_FAILED = error(
    "process-failed",
    "{what}",
    means="A fault of this program has ended one of its processes, with its traceback.",
)
STDERR = warning(
    "stderr",
    "{line}",
    means="What a process of the crawl, or a library in it, has written to its standard error.",
)
LOG_LINES_LOST = warning(
    "log-lines-lost",
    "{lines} lines of the log were dropped: they came faster than they were written",
    means="Lines came faster than they could be written, and were dropped.",
)
KEY_EXPOSED = warning(
    "key-exposed",
    "others may read the {what} in {file}; chmod 600 it",
    means="The file's permissions are too wide.",
)
LOGIN_UNUSED = warning(
    "login-unused",
    "the user name in the seed {seeds} is not used; say --login USER:PASSWORD",
    means="A URL with a login was given as a seed.",
)
COOKIES_UNUSED = warning(
    "cookies-unused",
    "{text}",
    means="Of the file of --cookies some have expired, are of no use, or none is for a host of the seeds.",
)
PROXY_UNUSED = warning(
    "proxy-unused",
    "{text}",
    means="The environment names a proxy (HTTPS_PROXY …) that the seeds would be asked through, and --proxy does not.",
)
IMAGES_MISSING = warning(
    "images-missing",
    "{told} missing from {folder}, and fetched again",
    means="Somebody has removed images from the crawl's folder.",
    more=("images",),
)
ROW_MENDED = warning(
    "row-mended",
    "{file}: the row of {url} can't be right, and {what}",
    means="crawl.db has a row that was not written by this program.",
)
ROW_DOUBTED = warning(
    "row-doubted", "{told}", means="crawl.db has values that can't be right; they count as not told."
)
FILE_UPGRADED = info(
    "file-upgraded",
    "{file} was written by an earlier version, and is of schema {schema} now",
    means="crawl.db was brought up to date.",
)
FILE_NOT_RESTORED = warning(
    "file-not-restored",
    "{file} could not be put back: {reason}",
    means="crawl.db was removed while the crawl ran.",
)
STORAGE_SILENT = warning(
    "storage-silent",
    "no answer from {where} ({reason}); asking again for up to {for_s:g} s",
    means="The object store can't be reached.",
)
STORAGE_BACK = info(
    "storage-back",
    "{where} answers again, after {after_s:.1f} s",
    means="The object store answers again, after storage-silent.",
)
METRICS_OPEN = info(
    "metrics-open", "metrics are at {where}", means="Whoever reaches that address can read them (--metrics)."
)
TRACES_LOST = warning(
    "traces-lost",
    "nobody takes the traces at {where}; they are dropped until somebody does",
    means="The OpenTelemetry collector of --traces does not answer; the crawl goes on.",
)
WATCH_ENDED = warning(
    "watch-ended",
    "the crawl can't be watched any longer: {reason}",
    means="Whoever has the queue of a watched crawl does not answer any more (status --watch).",
)
ERROR_TOLD = error(
    "error",
    "{text}",
    means="Why the command ended; only with --log-format json on stderr, else it is the last line there.",
)
