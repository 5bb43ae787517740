"""A page to look at the images of a crawl, which a browser opens from the disk or from a small server."""
