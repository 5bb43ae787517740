"""Traces for OpenTelemetry: a page, its images, and what each took; sent by the process that did the work.

    ids      which trace a URL belongs to: a function of the page's URL, so that no message has to carry it
    spans    a finished task and its stages as spans, and how they are sent; the only module that knows opentelemetry

A trace is that of a page. Its visit is the root; below it are the visits of the images that were found on it first,
wherever they are fetched. Links lead to the trace of the page that named this one.
"""

from __future__ import annotations
