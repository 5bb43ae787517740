-- A client could not read what lies at a key: who keeps the crawl's file shall know.
--
-- Arguments:
--   key        without the prefix
-- Returns 1.
--- include base

local key = str()
call('HSET', P .. 'm', 'damaged', P .. key)
return 1
