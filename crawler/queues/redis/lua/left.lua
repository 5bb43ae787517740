-- URLs that were left out, and that the catalogue has not got yet.
--
-- Arguments:
--   count      how many, at the most
-- Returns entries of the stream, the oldest first.
--- include base

local count = num()
return glance(call('XRANGE', P .. 'left', '-', '+', 'COUNT', count))
