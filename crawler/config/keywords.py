"""The settings of a crawl as keyword arguments, for type checkers; crawler/config says what each means.

Written by ``python -m tests.generators.typed_settings``; a test demands that anew with each new setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class Settings(TypedDict, total=False):
    """What may be given to :func:`crawler.crawl` by name; a name that there is not is an error to type checkers."""

    scope: Literal["host", "domain", "prefix", "any"]
    include: Sequence[str]
    exclude: Sequence[str]
    images_from: Literal["any", "scope"]
    include_images: Sequence[str]
    exclude_images: Sequence[str]
    strip_tracking: bool
    avoid_traps: bool
    max_depth: int
    max_pages: int
    max_images: int
    max_links_per_page: int
    parser: Literal["fast", "beautifulsoup"]
    sitemaps: bool
    script_urls: bool
    feeds: bool
    harvesters: int
    harvester_threads: int
    max_page_bytes: int | str
    page_timeout_s: float | str
    render: Literal["never", "auto", "always"]
    renderers: int
    renderer_threads: int
    render_timeout_s: float | str
    render_requests: int
    render_bytes: int | str
    render_scrolls: int
    render_clicks: int
    render_memory_bytes: int | str
    render_posts: Literal["none", "site", "any"]
    purpose: Literal["archive", "search", "train"]
    obey_robots_txt: bool
    obey_nofollow: bool
    obey_rel_nofollow: bool
    obey_noindex: bool
    obey_noimageindex: bool
    obey_noai: bool
    obey_noimageai: bool
    obey_tdm_reservation: bool
    obey_tdmrep: bool
    record_tdmrep: bool
    obey_content_usage: bool
    obey_content_signal: bool
    obey_data_mining: bool
    obey_training_mining: bool
    transport: Literal["auto", "requests", "curl"]
    user_agent: str
    connect_timeout_s: float | str
    total_timeout_s: float | str
    min_rate_bytes_s: int | str
    limit_rate_bytes_s: int | str
    max_redirects: int
    tries: int
    verify_tls: bool
    headers: Sequence[str]
    keep_cookies: bool
    login: str
    netrc: bool
    proxy: str
    allow_addresses: Sequence[str]
    images: Literal["best", "all"]
    downloaders: int
    downloader_threads: int
    max_image_bytes: int | str
    max_svg_bytes: int | str
    max_pixels: int
    decode_timeout_s: float | str
    incomplete: Literal["reject", "keep"]
    formats: Sequence[
        Literal["jpeg", "png", "gif", "webp", "avif", "bmp", "tiff", "ico", "svg", "heic", "jpg", "tif"]
    ]
    min_width_px: int
    max_width_px: int
    min_height_px: int
    max_height_px: int
    min_image_bytes: int | str
    max_aspect: float
    storage: str
    layout: Literal["site", "hash", "flat"]
    storage_patience_s: float | str
    fsync: bool
    min_free_bytes: int | str
    per_host: int
    per_domain: int
    delay_s: float | str
    lease_s: float | str
    max_lease_s: float | str
    heartbeat_s: float | str
    lease_batch: int
    max_attempts: int
    retry_delay_s: float | str
    host_patience_s: float | str
    image_backlog: int
    result_backlog: int
    queue_shards: int
    max_time_s: float | str
    max_bytes: int | str
    cookies: str
    bind: str
    queue: str
    keys: str
    authkey_file: str
    tls_cert: str
    tls_key: str
    tls_ca: str
    tls_server_name: str
    queue_password_file: str
    insecure_plaintext: bool
    trust: Sequence[
        Literal[
            "all",
            "none",
            "manager-network",
            "networks",
            "proxy",
            "insecure-tls",
            "netrc",
            "storage",
            "posts",
            "limits",
        ]
    ]
    reconnect_s: float | str
    memory_budget_bytes: int | str
    chromium: str
    behaviours: str
    log_file: str
    log_format: Literal["text", "json"]
    metrics: str
    traces: str
    traces_share: float
