-- A crawl's books. One row in tasks for each URL and kind; one row in images, pages or renders once it is settled.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY
) WITHOUT ROWID;

CREATE TABLE runs (                 -- each start of the crawl that had something to do
    number   INTEGER PRIMARY KEY,
    begun_at TEXT NOT NULL,         -- UTC, ISO 8601
    ended_at TEXT NOT NULL,         -- '' while it goes on, and if it was killed
    kind     TEXT NOT NULL,         -- crawl | refresh
    outcome  TEXT NOT NULL,         -- finished | stopped; '' as of ended_at
    version  TEXT NOT NULL,
    settings TEXT NOT NULL,         -- JSON, by key; "…" for what is secret
    notes    TEXT NOT NULL          -- JSON: what other settings than before meant
);

CREATE TABLE hosts (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,     -- scheme://host[:port]
    delay_s REAL NOT NULL DEFAULT 0   -- what it asks for between two requests (Crawl-delay)
);

CREATE TABLE tasks (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,         -- page | image | render
    url      TEXT NOT NULL,
    key      BLOB NOT NULL UNIQUE,  -- 128-bit BLAKE2b of "kind url": a third of the size of an index of URLs
    host_id  INTEGER NOT NULL,
    depth    INTEGER NOT NULL,
    state    TEXT NOT NULL,         -- ready | delayed | done | dead; of a leased one ready, and leases names it
    serial   INTEGER NOT NULL,      -- of its latest lease that has ended; never decreases
    attempts INTEGER NOT NULL,      -- leases that count, and have ended
    due_s    REAL,                  -- of a delayed task, on the ledger's own clock (meta.clock_s)
    origin   BLOB,                  -- MessagePack; NULL for a seed, and once settled: the record has it
    words    INTEGER NOT NULL,      -- which words pages have said of an image, as bits of crawler/models/image_words.py
    picture  BLOB,                  -- of a URL with the mark of a size: the key that the original would have
    px       REAL,                  -- … and that size
    record   INTEGER                -- the seq of its record, in the table of its kind; NULL if it has none
);
CREATE INDEX tasks_ready ON tasks (kind, host_id, id) WHERE state = 'ready';
CREATE INDEX tasks_delayed ON tasks (due_s) WHERE state = 'delayed'; -- NULL: held for a larger size of its picture
CREATE INDEX tasks_picture ON tasks (picture) WHERE picture IS NOT NULL;

CREATE TABLE leases (               -- which tasks workers hold: a row for each batch of them
    id    INTEGER PRIMARY KEY,
    tasks TEXT NOT NULL             -- JSON: their ids
);

CREATE TABLE sizes (                -- image URLs that wait behind another size of their picture, or were left out for it
    id       INTEGER PRIMARY KEY,
    key      BLOB NOT NULL UNIQUE,  -- as of tasks, which has none of these; so are the others
    url      TEXT NOT NULL,
    depth    INTEGER NOT NULL,
    origin   BLOB,
    words    INTEGER NOT NULL,
    picture  BLOB NOT NULL,
    px       REAL NOT NULL,
    left_out INTEGER NOT NULL
);
CREATE INDEX sizes_behind ON sizes (picture, px) WHERE NOT left_out;

CREATE TABLE dropped (
    reason TEXT PRIMARY KEY,        -- what kept URLs out of the queue
    count  INTEGER NOT NULL         -- how often it did
) WITHOUT ROWID;

CREATE TABLE left_out (             -- which URLs that was, as far as there is room for it
    seq      INTEGER PRIMARY KEY,   -- in the order in which they came: what one page names lies together
    mark     INTEGER NOT NULL UNIQUE, -- 64 bits of the BLAKE2b of "slug kind url"
    slug     TEXT NOT NULL,         -- as dropped.reason
    url      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    page_url TEXT NOT NULL,         -- where it was found first; '' if that is not known
    times    INTEGER NOT NULL       -- how often it was kept out
);

CREATE TABLE mention_pages (        -- pages that name images of mentions
    id   INTEGER PRIMARY KEY,       -- in the order in which they came: the latest mentions of an image lie together
    mark INTEGER NOT NULL UNIQUE,   -- 64 bits of the BLAKE2b of its URL
    url  TEXT NOT NULL
);

CREATE TABLE mentions (             -- which page names which image: up to 1,000 of each beside the first one, which its record has
    image BLOB NOT NULL,            -- as tasks.key
    page  INTEGER NOT NULL,         -- as mention_pages.id
    PRIMARY KEY (image, page)
) WITHOUT ROWID;

CREATE TABLE more_mentions (        -- how often images are named by pages that mentions has no room for
    image BLOB PRIMARY KEY,         -- as in mentions
    times INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE new_mentions (         -- mentions that are yet to be moved there: a row for each page that was read
    seq    INTEGER PRIMARY KEY,
    url    TEXT NOT NULL,           -- of the page
    images BLOB NOT NULL            -- one after the other
);

CREATE TABLE words (                -- what later pages say of images that only a queue elsewhere knows so far
    key   BLOB PRIMARY KEY,         -- as of tasks
    words BLOB NOT NULL             -- MessagePack
) WITHOUT ROWID;

CREATE TABLE templates (            -- what rendering pages of each template brought: see page_templates.py
    host_id INTEGER NOT NULL,
    name    TEXT NOT NULL,
    state   BLOB NOT NULL,          -- MessagePack
    PRIMARY KEY (host_id, name)
) WITHOUT ROWID;

CREATE TABLE cookies (
    domain  TEXT NOT NULL,
    path    TEXT NOT NULL,
    name    TEXT NOT NULL,
    seq     INTEGER NOT NULL UNIQUE, -- of its latest change: workers ask for what came after
    deleted INTEGER NOT NULL,        -- the server took it back
    until   REAL,                    -- when it expires (Unix time); NULL for never
    cookie  BLOB NOT NULL,           -- MessagePack
    PRIMARY KEY (domain, path, name)
) WITHOUT ROWID;
