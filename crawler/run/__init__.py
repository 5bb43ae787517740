"""Which processes a crawl has, where they run, and with which keys: they are started, watched over and stopped here."""
