"""Settings that each machine has for itself: keys and rights, resources, the log."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.config.section import Section, Trusts


class AccessConfig(Section):
    """Keys, certificates and rights between machines; each machine's own, never part of a crawl."""

    keys: Annotated[
        str,
        Meta(
            description="Folder with authkey, ca.pem, cert.pem and key.pem, as image-crawler keygen makes it."
        ),
    ] = ""
    authkey_file: Annotated[
        str, Meta(description="File with the secret that all machines share, 32 bytes or more.")
    ] = ""
    tls_cert: Annotated[str, Meta(description="File with the certificate of this machine, PEM.")] = ""
    tls_key: Annotated[str, Meta(description="File with the private key of that certificate, PEM.")] = ""
    tls_ca: Annotated[
        str, Meta(description="File with the authority that has signed the other side's certificate, PEM.")
    ] = ""
    tls_server_name: Annotated[
        str,
        Meta(
            description="Name that the manager's certificate has to be for; by default the one that keygen writes."
        ),
    ] = ""
    queue_password_file: Annotated[
        str, Meta(description="File with the password of the Redis or Valkey that holds the queue.")
    ] = ""
    insecure_plaintext: Annotated[
        bool,
        Meta(
            description="Use no TLS between machines: whoever is on the path can read and change everything."
        ),
    ] = False
    trust: Annotated[
        Trusts,
        Meta(
            description="Rights that a crawl which is run elsewhere has on this machine, beside manager-network and"
            " limits: networks, proxy, insecure-tls, netrc, storage, posts or all; none takes these two"
            " away. docs/cluster.md has what each means.",
            extra={"item": "NAME"},
        ),
    ] = ()
    reconnect_s: Annotated[
        float,
        Meta(ge=0, description="Seconds without an answer of the manager after which a worker gives up."),
    ] = 600.0


class MachineConfig(Section):
    """Resources of this machine; each machine's own, never part of a crawl."""

    memory_budget_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Memory in bytes that reading pages and decoding images may take together on this machine;"
            " 0 for half of what it has.",
            extra={"also": ("--memory-budget",)},
        ),
    ] = 0
    chromium: Annotated[
        str,
        Meta(
            description="Path of the Chromium or Chrome that opens pages; by default the one on PATH.",
            extra={"hint": "the path of a program"},
        ),
    ] = ""
    behaviours: Annotated[
        str,
        Meta(
            description="File with further behaviours for pages in the browser, in JavaScript; docs/rendering.md"
            " says how they are written.",
            extra={"hint": "the path of a file"},
        ),
    ] = ""


class LogConfig(Section):
    """Where the log goes, and its format; each machine's own, never part of a crawl."""

    log_file: Annotated[
        str,
        Meta(
            description="File to append the log to: a line for each finished task; with -vv every detail.",
            extra={"hint": "the path of a file"},
        ),
    ] = ""
    log_format: Annotated[
        str,
        Meta(
            pattern="^(text|json)$",
            description="Format of the log, in its file, or on stderr without one: text, for people; or json, one"
            " JSON object a line (docs/logging.md).",
        ),
    ] = "text"
