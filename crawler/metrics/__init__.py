"""What programs that watch this machine are told: metrics for Prometheus, and whether it lives and is ready.

    figures      what one worker process has counted and timed, and tells its parent; Snapshot: what is known of all
    meter        counts and times in a worker process
    board        what the parent knows at a moment: the queue's Stats, its workers' figures, whether its loop turns
    series       SERIES: every series, with its labels, and how it is read from the board
    exposition   the texts of OpenMetrics and Prometheus; the only module that knows prometheus_client
    server       answers HTTP, to few and briefly

Nothing here asks the queue: the loop that watches a crawl has its Stats anyway, and a scrape reads what was noted last.
Workers tell their parent over the pipe that ends them, once a second. So a scrape costs the queue nothing, never waits,
and says how old its figures are; and a worker that is killed takes no more than its last second with it.
"""

from __future__ import annotations
