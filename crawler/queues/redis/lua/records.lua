-- Records that are not in the catalogue yet.
--
-- Arguments:
--   first      entry to begin with: '-' for the oldest, '(' in front for those behind it
--   count      how many, at the most
-- Returns entries of the stream, the oldest first.
--- include base

local first, count = str(), num()
return glance(call('XRANGE', P .. 'out', first, '+', 'COUNT', count))
