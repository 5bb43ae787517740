"""What a crawl's folder and its crawl.db are, stated once, below those who write and those who read them.

    file_names     names in the folder      layout   the folder itself: its lock, settings and address
    schema         crawl.db: versions, tables, rows of tasks      schema.sql   its tables but those of records
    views.sql      views for people who ask in SQL
    columns        a record as a row, and back, invalid rows too      image_paths   paths of images
    meta           facts of the whole crawl, by key      totals   tasks and records, counted
    keepers        which folder keeps an image: the crawl's own, or that of another machine
    whereabouts    a file that is removed in mid-crawl
    connection     connections to crawl.db      sqlite_errors   SQLite's errors in words that help

Only the last two know the sqlite3 library.
"""
