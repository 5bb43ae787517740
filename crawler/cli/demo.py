"""image-crawler demo: a small site that ships with the program, served on loopback and crawled."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import click

from crawler.cli.crawl_run import run
from crawler.cli.options import Command, fork_server, json_option, output_option
from crawler.config import load
from crawler.run.supervisor import Crawl


@click.command(cls=Command, examples=(("see it work", "image-crawler demo"),))
@output_option("The crawl's folder.  [default: data/demo]")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
@json_option
def demo(*, output: Path | None, quiet: bool, as_json: bool) -> int:
    """Crawl a small site that comes along, offline; each time from the start."""
    folder = Path("data", "demo") if output is None else output
    with served(sample_site()) as url:
        running = Crawl((url,), folder=folder, config=load(), fresh=True, forks=fork_server())
        return run(running, as_json=as_json, quiet=quiet, again=["image-crawler", "demo"])


def sample_site() -> Path:
    """The folder of the sample site: in the installed package, or in a source checkout."""
    installed = Path(str(files("crawler"))) / "data" / "sample-site"
    checkout = Path(str(files("crawler"))).parent / "data" / "sample-site"
    return installed if installed.is_dir() else checkout


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves *folder* on a free port of loopback, within the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True  # headers and body are two writes, the second would wait 40 ms
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".avif": "image/avif", ".webp": "image/webp"}

    def translate_path(self, path: str) -> str:
        """The file of a URL, by its UTF-8 bytes, also under LC_ALL=C."""
        return os.fsdecode(super().translate_path(path).encode("utf-8", "surrogateescape"))

    def log_message(self, *_: object) -> None:
        """Say nothing: the display has the terminal."""
