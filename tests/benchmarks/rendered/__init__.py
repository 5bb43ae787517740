"""Real sites made by scripts, and how many of their pictures a crawl finds.

    python -m tests.benchmarks.rendered build             the sites: packages of npm, bundles, pictures
    python -m tests.benchmarks.rendered serve             all of them, each on a port of its own, until Ctrl-C
    python -m tests.benchmarks.rendered truth             what a person sees there, by Chromium and Playwright
    python -m tests.benchmarks.rendered measure           what crawls find: --render never, auto, always
    python -m tests.benchmarks.rendered templates         1,000 pages of five templates: are the right ones rendered?

What is built and installed goes to a cache folder, ``.rendered`` unless ``--cache`` says otherwise, and is never
committed. ``kinds/`` has what the sites are, a module for each kind; ``site.py`` the words in which they are told.
"""
