"""Events of a crawl, of its lists and of its workers."""

from __future__ import annotations

from crawler.logs.events.event import debug, info, notice, warning

CRAWL_STARTED = notice(
    "crawl-started", "{seeds}, into {folder}", means="A new crawl begins.", more=("waiting", "version")
)
CRAWL_RESUMED = notice(
    "crawl-resumed",
    "{seeds}, in {folder}: {waiting} tasks wait",
    means="An earlier run did not end: the crawl goes on.",
    more=("version",),
)
CRAWL_REFRESHED = notice(
    "crawl-refreshed",
    "{seeds}, in {folder}: {waiting} URLs are visited once more",
    means="A crawl that had finished visits everything once more.",
    more=("version",),
)
CRAWL_FINISHED = notice(
    "crawl-finished",
    "{pages} pages, {images} images: {saved} saved, {duplicate} duplicate, {rejected} rejected,"
    " {failed} failed, {dead} dead; {size} in {elapsed_s:.0f} s",
    means="The crawl has finished: nothing is left to do.",
    more=("saved_bytes",),
)
CRAWL_INTERRUPTED = notice(
    "crawl-interrupted",
    "{reason}; the same command goes on",
    means="The run ended before the crawl did: Ctrl-C, SIGTERM, a stop, an error. Nothing is lost.",
)
CRAWL_HALTED = notice(
    "crawl-halted",
    "no more work is given out: {reason}",
    means="The queue gives out no more work: a stop, a full disk.",
)
CRAWL_PAUSED = notice("crawl-paused", "by {by}", means="No more work is given out until crawl-unpaused.")
CRAWL_UNPAUSED = notice("crawl-unpaused", "by {by}", means="Work is given out again (image-crawler resume).")
CRAWL_OPEN = info("crawl-open", "{text}", means="How other machines join: the command to run there.")
LIST_READ = info(
    "list-read",
    "the list {list} names {urls} URLs, {new} of them new",
    means="A list (-i, --image-list) has been taken in.",
    more=("bad_lines",),
)
LIST_LINE = warning(
    "list-line",
    "{list}, line {line}: {why}",
    means="A line of a list names no URL, and is passed over. Of many such lines some are logged.",
)
LIST_LINES = warning(
    "list-lines",
    "{list}: {lines} lines in all name no URL",
    means="Lines of a list were passed over; not all were logged one by one.",
)

# --- workers ---

WORKER_JOINED = notice(
    "worker-joined",
    "{kind} {worker}, with {threads} threads (pid {pid}, version {version})",
    means="A worker has joined. It is logged once more when the manager was started again.",
    more=("machine",),
)
WORKER_LEFT = notice(
    "worker-left",
    "{kind} {worker} said goodbye; {tasks} tasks requeued",
    means="A worker has left in good order, and given back what it had not begun.",
    more=("machine", "done"),
)
WORKER_LOST = warning(
    "worker-lost",
    "{kind} {worker} has not been seen for {silent_s:.0f} s; {tasks} tasks requeued",
    means="The leases of a worker have expired without a sign of life (lease_s): its tasks go back to the queue.",
    more=("machine", "done"),
)
WORKER_DIED = warning(
    "worker-died",
    "{kind} {worker} has died; {tasks} tasks requeued",
    means="Its own machine says that a worker has ended without a word (kill -9, a crash).",
    more=("machine", "done"),
)
WORKER_RESTARTED = warning(
    "worker-restarted",
    "a {name} has died ({why}); starting another",
    means="A process of this machine has died, and another one takes its place.",
)
MANAGER_RESTARTED = warning(
    "manager-restarted",
    "the {name} has died ({why}); starting another",
    means="The process that has the queue, or collects from it, has died, and another one takes its place.",
)
MANAGER_LATE = warning(
    "manager-late",
    "the {name} did not end in time",
    means="The manager did not end in time, and was killed; the next start repairs what it left.",
)
LEASES_EXPIRED = warning(
    "leases-expired",
    "worker {worker} is lost, with {tasks} tasks; they are requeued",
    means="Leases of an unknown worker have expired: one of before the manager was started, or, with the queue"
    " in Redis, one that other workers heard of.",
)
LEASES_OVERDUE = warning(
    "leases-overdue",
    "{worker} had {tasks} tasks for too long (max_lease_s); they are requeued",
    means="A worker is alive, and will not come back with these tasks.",
)
TASKS_TAKEN = warning(
    "tasks-taken",
    "{tasks} tasks were given to other workers; is this one too slow?",
    means="This worker was silent for too long; its tasks went back to the queue.",
)
TASKS_NOT_RETURNED = warning(
    "tasks-not-returned",
    "could not give {tasks} tasks back, their leases will run out: {reason}",
    means="A worker leaves, and its queue does not answer: its leases expire instead.",
)
HALT_NOT_TOLD = warning(
    "halt-not-told",
    "could not tell the others to stop: {reason}",
    means="This machine can't go on, and its queue does not answer.",
)
LEASE_GRANTED = debug(
    "lease-granted",
    "{tasks} tasks of {host} to {worker}",
    means="Tasks were given to a worker.",
    more=("kind",),
)
LEASE_NOT_RETURNED = warning(
    "lease-not-returned",
    "a lease could not be given back: {reason}",
    means="A lease could not be given back to the queue; it expires instead.",
)
RESULT_REFUSED = warning(
    "result-refused",
    "refused what a worker says of {url}: {reason}",
    means="A worker handed in a result that can't be right; the task is tried again.",
    more=("worker",),
)
WORD_REFUSED = warning(
    "word-refused",
    "not believed, for it was not asked: worker {worker} of {host}",
    means="A worker handed in a host's robots.txt that it was not told to fetch.",
)
