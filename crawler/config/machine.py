"""Settings that each machine has for itself: keys and rights, resources, the log."""

from __future__ import annotations

from typing import Annotated

from crawler.config.section import Section, Trusts, about


class AccessConfig(Section):
    """Keys, certificates and rights between machines; each machine's own, never part of a crawl."""

    keys: Annotated[
        str,
        about("Folder with authkey, ca.pem, cert.pem and key.pem, as image-crawler keygen makes it."),
    ] = ""
    authkey_file: Annotated[str, about("File with the secret that all machines share, 32 bytes or more.")] = (
        ""
    )
    tls_cert: Annotated[str, about("File with the certificate of this machine, PEM.")] = ""
    tls_key: Annotated[str, about("File with the private key of that certificate, PEM.")] = ""
    tls_ca: Annotated[
        str, about("File with the authority that has signed the other side's certificate, PEM.")
    ] = ""
    tls_server_name: Annotated[
        str,
        about("Name that the manager's certificate has to be for; by default the one that keygen writes."),
    ] = ""
    queue_password_file: Annotated[
        str, about("File with the password of the Redis or Valkey that holds the queue.")
    ] = ""
    insecure_plaintext: Annotated[
        bool,
        about("Use no TLS between machines: whoever is on the path can read and change everything."),
    ] = False
    trust: Annotated[
        Trusts,
        about(
            "Rights that a crawl which is run elsewhere has on this machine, beside manager-network"
            " and limits: networks, proxy, insecure-tls, netrc, storage, posts or all; none takes"
            " these two away. docs/cluster.md has what each means.",
            item="NAME",
        ),
    ] = ()
    reconnect_s: Annotated[
        float,
        about("Seconds without an answer of the manager after which a worker gives up.", ge=0),
    ] = 600.0


class MachineConfig(Section):
    """Resources of this machine; each machine's own, never part of a crawl."""

    memory_budget_bytes: Annotated[
        int,
        about(
            "Memory in bytes that reading pages and decoding images may take together on this"
            " machine; 0 for half of what it has.",
            ge=0,
            also=("--memory-budget",),
        ),
    ] = 0
    chromium: Annotated[
        str,
        about(
            "Path of the Chromium or Chrome that opens pages; by default the one on PATH.",
            hint="the path of a program",
        ),
    ] = ""
    behaviours: Annotated[
        str,
        about(
            "File with further behaviours for pages in the browser, in JavaScript; docs/rendering.md"
            " says how they are written.",
            hint="the path of a file",
        ),
    ] = ""


class MonitoringConfig(Section):
    """How programs that watch this machine ask it; each machine's own, never part of a crawl."""

    metrics: Annotated[
        str,
        about(
            "Where metrics for Prometheus, and /healthz and /readyz, are served: a port of this machine alone, or"
            " HOST:PORT for others too, whoever they are (docs/metrics.md); empty for nowhere.",
            pattern=r"^((\[[0-9A-Fa-f:.]+\]|[^ :/\[\]]+):)?[0-9]{1,5}$|^$",
            hint="a port, or HOST:PORT",
        ),
    ] = ""
    traces: Annotated[
        str,
        about(
            "Where traces are sent to: an OpenTelemetry collector by OTLP/HTTP, such as http://127.0.0.1:4318"
            " (docs/metrics.md); empty for nowhere.",
            pattern=r"^(https?://[^ /]+[^ ]*)?$",
            hint="an address such as http://127.0.0.1:4318",
        ),
    ] = ""
    traces_share: Annotated[
        float,
        about("Share of the traces that is sent, the same ones by all machines; 1 for all.", ge=0, le=1),
    ] = 1.0


class LogConfig(Section):
    """Where the log goes, and its format; each machine's own, never part of a crawl."""

    log_file: Annotated[
        str,
        about(
            "File to append the log to: a line for each finished task; with -vv every detail.",
            hint="the path of a file",
        ),
    ] = ""
    log_format: Annotated[
        str,
        about(
            "Format of the log, in its file, or on stderr without one: text, for people; or json, one"
            " JSON object a line (docs/logging.md).",
            pattern="^(text|json)$",
        ),
    ] = "text"
