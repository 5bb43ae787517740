"""The settings of a crawl: small sections, one name for a setting everywhere.

A setting comes from, in rising order: its default, a TOML file, the environment, a flag. The key ``max_depth`` in
the section ``scope`` is ``[scope] max_depth`` in a file, ``IMAGE_CRAWLER_MAX_DEPTH`` in the environment and
``--max-depth`` as a flag; keys are unique over all sections, so the section is never part of the name.
``config/default.toml`` lists them all. To add one, add a field to its section, with its description; the rest follows.

    pages, fetching, images, queue, machine   the sections, by subject; section, their base
    config     Config: all sections together
    settings   SETTINGS: each field as the command line and the documentation need it
    loading    load: file < environment < flag      checks   units, and why a value will not do
    changes    what other settings mean for what a crawl has done already      keywords   the settings for type checkers

All public names but those of the last line are names of this package.
"""

from __future__ import annotations

from crawler.config.config import *  # noqa: F403 - a wildcard exports names to type checkers as well
from crawler.config.fetching import *  # noqa: F403
from crawler.config.images import *  # noqa: F403
from crawler.config.loading import *  # noqa: F403
from crawler.config.machine import *  # noqa: F403
from crawler.config.pages import *  # noqa: F403
from crawler.config.queue import *  # noqa: F403
from crawler.config.section import *  # noqa: F403
from crawler.config.settings import *  # noqa: F403
