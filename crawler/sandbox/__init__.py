"""Child processes for work on bytes from strangers: a crash, a hang or a leak of memory costs one document or one
image.

Parsers and decoders are libraries in C, and no rule has been tried on every input. A worker process has a few child
processes for such work. It starts them when they are needed, and each takes one request at a time. Their work holds no
lock of the worker's own interpreter, so all cores are used.

:mod:`.pool` schedules the children of one worker. :mod:`.child` is one child as its parent sees it, :mod:`.child_main`
is what runs in it. :mod:`.memory_budget` is the memory that all children of a machine share. The package knows nothing
of the work: a request is bytes, a reply is bytes, and a module that both sides name does the work.
"""
