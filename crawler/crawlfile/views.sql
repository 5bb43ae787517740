-- Views of crawl.db with plain names, for people who ask in SQL: docs/database.md has them, with questions that each
-- answers. Nothing in this program reads them. Their names and columns stay; new columns come last.
-- DuckDB carries them out itself, from this text: they are in the SQL that both have.

CREATE VIEW saved_images AS         -- one row for each image that was saved; the path is that of its file
SELECT images.path, images.url, hosts.name AS host, images.format, images.width_px, images.height_px,
       images.size_bytes, images.alt, images.title, images.caption, images.heading, images.page_url,
       images.page_title, images.found_in, images.sha256, images.dhash, images.final_url, images.content_type,
       images.etag, images.last_modified, images.depth, images.attempts, images.elapsed_s, images.finished_at,
       images.kept_by
FROM images
LEFT JOIN tasks ON tasks.id = images.task_id
LEFT JOIN hosts ON hosts.id = tasks.host_id
WHERE images.status = 'saved';

CREATE VIEW places AS               -- each URL and page by which a saved file was found: several rows for the same bytes
SELECT images.path, images.url, images.page_url, images.page_title, images.found_in, images.alt, images.title,
       images.caption, images.heading, images.status = 'duplicate' AS is_duplicate
FROM images
WHERE images.status IN ('saved', 'duplicate');

CREATE VIEW failures AS             -- everything that is not there: images, pages, pages in a browser; and why
                                    -- not the sitemaps that were only looked for: most sites have none of them
SELECT all_kinds.kind, all_kinds.url, hosts.name AS host, all_kinds.status, all_kinds.reason, all_kinds.http_status,
       all_kinds.detail, all_kinds.page_url, all_kinds.attempts, all_kinds.elapsed_s, all_kinds.finished_at
FROM (
    SELECT 'image' AS kind, task_id, url, status, reason, http_status, detail, page_url, attempts, elapsed_s, finished_at
    FROM images WHERE status NOT IN ('saved', 'duplicate')
    UNION ALL
    SELECT 'page', task_id, url, status, reason, http_status, detail, page_url, attempts, elapsed_s, finished_at
    FROM pages WHERE status != 'harvested' AND reason != 'no-sitemap'
    UNION ALL
    SELECT 'render', task_id, url, status, reason, http_status, detail, page_url, attempts, elapsed_s, finished_at
    FROM renders WHERE status != 'rendered'
) AS all_kinds
LEFT JOIN tasks ON tasks.id = all_kinds.task_id
LEFT JOIN hosts ON hosts.id = tasks.host_id;

CREATE VIEW failure_reasons AS      -- how often each reason stands there, and an example of it
SELECT kind, status, reason, count(*) AS count, min(url) AS example_url
FROM failures
GROUP BY kind, status, reason;

CREATE VIEW pages_without_images AS -- pages that were read and name no image
SELECT pages.url, hosts.name AS host, pages.title, pages.links, pages.size_bytes, pages.content_type, pages.render,
       pages.page_url, pages.depth, pages.finished_at
FROM pages
LEFT JOIN tasks ON tasks.id = pages.task_id
LEFT JOIN hosts ON hosts.id = tasks.host_id
WHERE pages.status = 'harvested' AND pages.images = 0;

CREATE VIEW page_images AS          -- what came of the images that were found first on each page
SELECT page_url, count(*) AS images, sum(status = 'saved') AS saved, sum(status = 'duplicate') AS duplicates,
       sum(status NOT IN ('saved', 'duplicate')) AS not_saved,
       sum(CASE WHEN status = 'saved' THEN size_bytes ELSE 0 END) AS size_bytes
FROM images
GROUP BY page_url;

CREATE VIEW image_pages AS          -- every page on which an image stood: the first one, then the others
                                    -- CROSS JOIN: SQLite keeps the order, and looks up the mentions of the images asked for
SELECT images.url, images.path, images.status, images.page_url, 1 AS is_first
FROM images
WHERE images.page_url != ''
UNION ALL
SELECT images.url, images.path, images.status, mention_pages.url, 0
FROM images CROSS JOIN tasks CROSS JOIN mentions CROSS JOIN mention_pages
WHERE tasks.id = images.task_id AND mentions.image = tasks.key AND mention_pages.id = mentions.page
  AND mention_pages.url != images.page_url;

CREATE VIEW image_hosts AS          -- what came of the images of each host
SELECT hosts.name AS host, count(*) AS images, sum(images.status = 'saved') AS saved,
       sum(images.status = 'duplicate') AS duplicates, sum(images.status = 'rejected') AS rejected,
       sum(images.status = 'failed') AS failed, sum(images.status = 'dead') AS dead,
       sum(CASE WHEN images.status = 'saved' THEN images.size_bytes ELSE 0 END) AS size_bytes,
       avg(images.elapsed_s) AS mean_s, max(images.elapsed_s) AS longest_s
FROM images
LEFT JOIN tasks ON tasks.id = images.task_id
LEFT JOIN hosts ON hosts.id = tasks.host_id
GROUP BY hosts.name;

CREATE VIEW image_formats AS        -- the formats of what was saved
SELECT format, count(*) AS images, sum(size_bytes) AS size_bytes, avg(width_px) AS mean_width_px,
       avg(height_px) AS mean_height_px, max(size_bytes) AS largest_bytes
FROM images
WHERE status = 'saved'
GROUP BY format;

CREATE VIEW image_minutes AS        -- how fast it went, by the minute in which the visits ended (UTC)
SELECT substr(finished_at, 1, 16) AS minute, count(*) AS images, sum(status = 'saved') AS saved,
       sum(CASE WHEN status = 'saved' THEN size_bytes ELSE 0 END) AS size_bytes
FROM images
GROUP BY substr(finished_at, 1, 16);

CREATE VIEW changed_images AS       -- what the latest refresh found new, changed, gone or failing; docs/starting.md
SELECT images.url, images.revisit, images.revisit_reason, images.path, images.sha256, images.size_bytes,
       images.finished_at, coalesce(earlier.versions, 0) AS earlier_versions
FROM images
LEFT JOIN (SELECT url, count(*) AS versions FROM image_history GROUP BY url) AS earlier ON earlier.url = images.url
WHERE images.revisit NOT IN ('', 'unchanged') AND images.status IN ('saved', 'duplicate');

CREATE VIEW image_opt_outs AS       -- what owners say of the use of an image, a row for each time that they say it
SELECT images.url, images.path, images.status, said.value ->> '$.signal' AS signal, said.value ->> '$.place' AS place,
       said.value ->> '$.text' AS text, coalesce(said.value ->> '$.forbids', '[]') AS forbids
FROM images, json_each(CASE WHEN json_valid(images.opt_outs) THEN images.opt_outs ELSE '[]' END) AS said
WHERE images.opt_outs != '' AND upper(said.type) = 'OBJECT';

CREATE VIEW still_to_do AS          -- what has no record yet; empty once the crawl has ended
SELECT tasks.kind, tasks.url, hosts.name AS host,
       CASE WHEN held.id IS NULL THEN tasks.state ELSE 'leased' END AS state,
       CASE WHEN held.id IS NULL THEN tasks.attempts ELSE tasks.attempts + 1 END AS attempts, tasks.depth
FROM tasks
LEFT JOIN hosts ON hosts.id = tasks.host_id
LEFT JOIN (
    SELECT DISTINCT CAST(one.value AS INTEGER) AS id
    FROM leases, json_each(CASE WHEN json_valid(leases.tasks) THEN leases.tasks ELSE '[]' END) AS one
) AS held ON held.id = tasks.id AND tasks.state = 'ready'
WHERE tasks.state IN ('ready', 'delayed');
