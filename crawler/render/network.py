# temporary network for development
import threading
from contextlib import contextmanager
from crawler.web import BrowserRequest, Fetched
from crawler.errors import TaskError


class Refused:
    def __init__(s, slug):
        s.slug = slug


class Answer:
    def __init__(s, e, is_image):
        s.http_status = e.http_status
        s.headers = e.headers
        s.content = e.content
        s.is_image = is_image
        s.e = e

    def as_page(s, url, final_url):
        h = {}
        for k, v in s.headers:
            h[k.lower()] = v
        return Fetched(
            url=url,
            final_url=s.e.url,
            http_status=s.http_status,
            headers=h,
            content=s.content,
            is_cut=s.e.is_cut,
        )


class PageNetwork:
    def __init__(s, n):
        s.n = n
        s.requests = 0
        s.received_bytes = 0
        s.waited_s = 0.0
        s.left_out = {}

    def ask(s, request, *, kind, page_url, is_page):
        s.requests += 1
        if s.requests > 60 and not is_page:
            return Refused("render-requests")
        e = s.n.t.exchange(
            request,
            max_bytes=20 << 20,
            stop_at=lambda st, h: (
                st == 200 and h.get("content-type", "").startswith("image/") and not is_page
            ),
        )
        s.received_bytes += len(e.content)
        return Answer(e, e.stopped)


class Network:
    def __init__(s, transport, **k):
        s.t = transport

    @contextmanager
    def page(s, task):
        yield PageNetwork(s)
