"""A fork server: a process that loads the program's modules once, and forks the others.

A process that starts Python and imports for itself takes a tenth to half a second of a core before it does anything. A
forked one takes milliseconds, and shares the memory of the modules. :mod:`.client` asks for processes, :mod:`.server`
is what runs in the server.

multiprocessing's fork server will not do. It keeps the environment and the folder of its first moment for as long as
the program lives that uses this library, and when it is killed, all that it has forked passes for dead. Here a crawl
has a server of its own, and if that is killed, its processes live on and are seen to; further ones are spawned, as they
are on systems that have no pidfd_open(2).
"""
