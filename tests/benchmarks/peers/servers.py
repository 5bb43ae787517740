"""An nginx of its own, on ports of its own, for all corpora of a run."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.peers.corpora import Corpus, Missing
from tests.support import certificates

ADDRESS = "127.0.0.1"
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")
_ECHO = "ngx_http_echo_module.so"
_PATIENCE_S = 10.0
_HEAD = """\
{load}
user {user};
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log" warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=20000 inactive=1h;
  server_tokens off;
  charset utf-8;
  default_type application/octet-stream;
  client_body_temp_path "{folder}/body";
  proxy_temp_path "{folder}/proxy";
  fastcgi_temp_path "{folder}/fastcgi";
  uwsgi_temp_path "{folder}/uwsgi";
  scgi_temp_path "{folder}/scgi";
  types {{
    text/html html htm; text/css css; text/javascript js; application/xml xml; image/svg+xml svg; image/png png;
    image/jpeg jpg jpeg; image/gif gif; image/webp webp; image/avif avif; image/x-icon ico; image/bmp bmp;
  }}
"""
_PLAIN = 'root "{root}"; index index.html;'
_DELAYED = """
    location / {{ echo_sleep {delay_s}; echo_exec @files; }}
    location @files {{ root "{root}"; try_files $uri $uri/index.html =404; }}"""
"""A timer in nginx's own loop: it costs no process or copy in between, as a proxy that waits would."""
_TLS = 'ssl_certificate "{cert}"; ssl_certificate_key "{key}"; ssl_protocols TLSv1.2 TLSv1.3;'


class Served(NamedTuple):
    """Where the corpora are, and who serves them."""

    urls: dict[str, str]
    """Of each corpus by name, with a slash at its end."""
    ca: Path
    """The authority of those over TLS, PEM."""
    pid: int

    @property
    def pids(self) -> list[int]:
        """Of all processes of the server."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [self.pid, *map(int, children.split())]


@contextmanager
def serving(corpora: Sequence[Corpus], folder: Path) -> Iterator[Served]:
    """All of *corpora*, until it is left; *folder* takes configuration and log. Raises Missing."""
    program = _nginx()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tls, _ = certificates.make(folder / "keys", names=[ADDRESS])
    ports = _free_ports(len(corpora))
    file = folder / "nginx.conf"
    load = f"load_module {_echo_module()};" if any(one.delay_s for one in corpora) else ""
    servers = [server_block(one, port, tls.cert, tls.key) for one, port in zip(corpora, ports, strict=True)]
    head = _HEAD.format(load=load, user=getpass.getuser(), folder=folder)
    file.write_text(head + "".join(servers) + "}\n", encoding="utf-8")
    with subprocess.Popen(
        [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    ) as process:
        try:
            for port in ports:
                _wait_for(port, process)
            schemes = ("https" if one.tls else "http" for one in corpora)
            urls = {
                one.name: f"{scheme}://{ADDRESS}:{port}/"
                for one, scheme, port in zip(corpora, schemes, ports, strict=True)
            }
            yield Served(urls, Path(tls.ca), process.pid)
        finally:
            process.terminate()


def check(corpus: Corpus) -> None:
    """Raises Missing if it can't be served here."""
    _nginx()
    if corpus.delay_s:
        _echo_module()


def nginx_version() -> str:
    """Raises Missing."""
    told = subprocess.run([_nginx(), "-v"], capture_output=True, text=True, check=True).stderr
    return told.strip().rpartition("/")[2]


def _nginx() -> str:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("there is no nginx: apt-get install nginx")
    return program


def server_block(corpus: Corpus, port: int, cert: Path, key: Path) -> str:
    files = _DELAYED if corpus.delay_s else _PLAIN
    tls = _TLS.format(cert=cert, key=key) if corpus.tls else ""
    return (
        f"  server {{ listen {ADDRESS}:{port}{' ssl' if corpus.tls else ''} backlog=4096; {tls}"
        f" {files.format(root=corpus.folder, delay_s=corpus.delay_s)} }}\n"
    )


def _echo_module() -> Path:
    for folder in _MODULES:
        if (module := Path(folder, _ECHO)).is_file():
            return module
    raise Missing(f"nginx has no {_ECHO}, by which requests wait: apt-get install libnginx-mod-http-echo")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection((ADDRESS, port)).close()
        except OSError as exc:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit("nginx does not start: see above, or error.log in its folder") from exc
            time.sleep(0.05)
        else:
            return
