-- What later pages say of known images.
--
-- Arguments:
--   count      how many, at the most
-- Returns entries of the stream, the oldest first.
--- include base

local count = num()
return glance(call('XRANGE', P .. 'words', '-', '+', 'COUNT', count))
