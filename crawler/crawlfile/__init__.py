"""What a crawl's folder and its crawl.db are: names, lock, tables, rows. Below those who write and those who read."""
