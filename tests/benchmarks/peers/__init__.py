"""image-crawler and its peers crawl the same sites, in turns, on this machine.

    python -m tests.benchmarks.peers [--tools ours,crawlee,wget2] [--corpora photo,gimp] [--rounds 5]

Sites are served by nginx on 127.0.0.1, started for it. Each peer is installed into a virtual environment of its
own in the work folder, the first time that it is measured. Every round runs each tool once, in an order that changes;
ratios are of runs of the same round. A peer that does not decode is also measured with a pass of Pillow over its files.

Needs Linux, nginx, and for some corpora its module echo (Debian: libnginx-mod-http-echo), gimp-help-en or opencv-doc.
"""
