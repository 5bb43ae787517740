-- Entries of a stream that are not in crawl.db yet.
--
-- Arguments:
--   stream     'out' (records), 'words', 'named' or 'left', see base.lua
--   first      entry to begin with: '-' for the oldest, '(' in front for those behind it
--   count      how many, at the most
-- Returns them, the oldest first.
--- include base

local stream, first, count = str(), str(), num()
return glance(call('XRANGE', P .. stream, first, '+', 'COUNT', count))
