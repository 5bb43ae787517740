"""Settings of the queue, of the manager that serves it, and of one run."""

from __future__ import annotations

from typing import Annotated

from crawler.config.section import Section, about

_QUEUE_HINT = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, redis+cluster://HOST,HOST or"
    " redis+sentinel://HOST,HOST/SERVICE"
)


class QueueConfig(Section):
    """Leases, retries and politeness."""

    per_host: Annotated[
        int,
        about("Maximum number of requests in flight to one host, over all workers.", ge=1, le=1024),
    ] = 8
    per_domain: Annotated[
        int,
        about(
            "Maximum number of requests in flight to all hosts of one registrable domain (img1 …"
            " img99.example), over all workers.",
            ge=1,
            le=65536,
        ),
    ] = 32
    delay_s: Annotated[float, about("Seconds between two requests to one host.", ge=0)] = 0.0
    lease_s: Annotated[float, about("Seconds of silence after which a worker loses its tasks.", gt=0)] = 60.0
    max_lease_s: Annotated[
        float, about("Seconds after which a worker loses a task, even though it is alive.", gt=0)
    ] = 1800.0
    heartbeat_s: Annotated[
        float, about("Seconds between two signs of life (heartbeats) of a worker.", gt=0)
    ] = 20.0
    lease_batch: Annotated[int, about("Maximum number of tasks per lease.", ge=1, le=256)] = 32
    max_attempts: Annotated[
        int, about("Number of leases of one task after which it counts as lost.", ge=1, le=100)
    ] = 5
    retry_delay_s: Annotated[
        float,
        about("Seconds before the second attempt at a task; they double with each further one.", gt=0),
    ] = 2.0
    host_patience_s: Annotated[
        float,
        about(
            "Seconds after which a host that can't be reached at all is given up; what waits for it fails.",
            ge=0,
        ),
    ] = 120.0
    image_backlog: Annotated[
        int, about("Number of waiting images above which no further page is read.", ge=1)
    ] = 50_000
    result_backlog: Annotated[
        int,
        about(
            "Number of uncollected records above which no further task is given out; with --queue only.", ge=1
        ),
    ] = 100_000
    queue_shards: Annotated[
        int,
        about(
            "Number of parts (shards) of the queue, each for some of the hosts, which may lie on"
            " several servers of a cluster; fixed when the crawl is first started, with --queue only.",
            ge=1,
            le=256,
        ),
    ] = 1


class ManagerConfig(Section):
    """How other machines find the crawl."""

    bind: Annotated[
        str,
        about(
            "Address at which workers may join, HOST or HOST:PORT (9733 if no port is given); none"
            " for this machine only."
        ),
    ] = ""
    queue: Annotated[
        str,
        about(
            "Redis or Valkey that holds the queue in place of the manager (redis://HOST/0, rediss://,"
            " redis+cluster://HOST,HOST …).",
            pattern="^$|^(redis|valkey)s?([+](cluster|sentinel))?://[^ ]+$",
            secret=True,
            hint=_QUEUE_HINT,
        ),
    ] = ""


class RunConfig(Section):
    """Limits and cookies of one run; given by whoever starts it, not to workers."""

    max_time_s: Annotated[
        float,
        about(
            "Seconds after which this run ends; the same command goes on for as long again. 0 for no limit.",
            ge=0,
            also=("--max-time",),
        ),
    ] = 0.0
    max_bytes: Annotated[
        int,
        about(
            "Number of saved bytes after which this run ends; what workers have in hand by then is"
            " still finished. 0 for no limit.",
            ge=0,
        ),
    ] = 0
    cookies: Annotated[
        str,
        about(
            "File of cookies to send (cookies.txt, Netscape format), each to its hosts, by all"
            " workers; it is read at the start of each run. Cookies that servers set are kept, too.",
            hint="the path of a file",
        ),
    ] = ""
