"""Work on what strangers wrote, in processes of their own: what crashes, hangs or eats memory there costs one document
or one image.

Parsers and decoders are libraries in C, and rules that nobody has tried on everything. A worker process has a few child
processes for such work, which are started when they are needed and take one request at a time. Their work takes no turn
of the worker's own interpreter, and all cores are used.

:mod:`.pool` has the children of one worker, :mod:`.child` is one of them as seen from there, :mod:`.inside` what runs
in it, :mod:`.budget` the memory that all of a machine share. What they do is none of this package's business: a
function in a module that both sides name, bytes in, bytes out.
"""
