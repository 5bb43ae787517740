"""image-crawler extract --render: what one page gives without scripts and with them, side by side."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from crawler.cli import crawl_tables, found_table, tables
from crawler.cli.output import write_json
from crawler.config import Config
from crawler.http import Transport
from crawler.http.address_guard import AddressGuard, seed_ports
from crawler.http.cookies import CookieJar
from crawler.http.proxies import networks_of
from crawler.http.transports import open_transport
from crawler.models import NewTask, Origin
from crawler.models.image_words import NOWHERE
from crawler.render.handler import Compared
from crawler.render.page import Rendered
from crawler.run.preflight import checked
from crawler.scope import is_public_suffix
from crawler.text.plain_errors import quoted
from crawler.urls import canonical_seed


def transport_for(url: str, config: Config) -> Transport:
    """A transport for one page, whose private network it may use."""
    proxies, cookies = checked(config, (), (url,))
    networks = networks_of((url,), proxies)
    guard = AddressGuard(config.fetch.allow_addresses, seed_ports((url,)), of_seeds=networks)
    jar = CookieJar(is_suffix=is_public_suffix) if config.keeps_cookies else None
    if jar is not None:
        jar.learn(cookies)
    return open_transport(config.fetch, guard, jar, seeds=(url,))


def show_in_browser(source: str, *, as_json: bool, config: Config) -> None:
    from crawler.render.single_page import open_once

    url = canonical_seed(source)
    route = source.partition("#")[2]
    with closing(transport_for(url, config)) as transport:
        rendered, compared = open_once(f"{url}#{route}" if route else url, config, transport)
    static = {task.url: task.origin or NOWHERE for task in compared.static}
    alone = [task for task in compared.static if task.url not in {image.url for image in compared.images}]
    found = [*compared.images, *alone]
    if as_json:
        for task in found:
            write_json(_as_json(task, static, compared))
    else:
        _show(found, static, compared)
    _tell(rendered, compared)


def _as_json(task: NewTask, static: dict[str, Origin], compared: Compared) -> dict[str, object]:
    origin = task.origin or NOWHERE
    return {
        "url": task.url,
        "found_in": static[task.url].found_in if task.url in static else None,
        "brought_by": compared.stages.get(task.url),
        "kept_out_by": task.kept_out_by,
        "alt": origin.alt,
        "title": origin.title,
        "caption": origin.caption,
        "heading": origin.heading,
    }


def _show(found: list[NewTask], static: dict[str, Origin], compared: Compared) -> None:
    table = found_table.FoundTable(tables.console(), "static", "browser")
    for task in found:
        read = static[task.url].found_in if task.url in static else "-"
        brought = compared.stages.get(task.url, "the same" if task.url in static else "")
        if task.kept_out_by:
            brought = brought or "-"
        words = found_table.words_of(task)
        table.add(read, brought, url=task.url, said=words, dim=bool(task.kept_out_by))
    table.show()


def _tell(rendered: Rendered, compared: Compared) -> None:
    title = f" on {quoted(compared.head.title)}" if compared.head.title else ""
    brought = Counter(compared.stages.values())
    stages = ", ".join(f"{count:,} by {stage}" for stage, count in brought.most_common())
    links = len(compared.new_links)
    tables.say(
        f"{len(compared.static):,} images without scripts, {len(compared.stages):,} more in the browser{title}"
        f"{f' ({stages})' if stages else ''}; {links:,} more link{'s' * (links != 1)}"
    )
    tables.say(f"{rendered.requests:,} requests were answered, {tables.size(rendered.received_bytes)} in all")
    left_out = {
        slug: count for slug, count in {**compared.head.left_out, **rendered.left_out}.items() if count
    }
    if left_out:
        tables.say(f"left out: {crawl_tables.left_out_lines(left_out)}")
