"""Certificates for tests, made as ``image-crawler keygen`` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crawler.queues.rpc.tls import Tls
from crawler.run.keygen import make_keys


def make(folder: Path, *, names: Sequence[str] = ()) -> tuple[Tls, Tls]:
    """What a manager and a worker of one crawl have; the files lie in *folder* as keygen puts them there.

    The manager's is for *names*, too: a server that is no manager, such as a Redis, is known by its address.
    """
    keys = make_keys(folder, names=names, tls=True)
    return held_in(keys.manager), held_in(keys.worker)


def held_in(folder: Path) -> Tls:
    """The files of one side."""
    return Tls(cert=folder / "cert.pem", key=folder / "key.pem", ca=folder / "ca.pem")
