-- The queue is whole: workers may have of it.
--
-- Arguments:
--   servers    of all shards, which are whole; '' if nobody wants to know
-- Returns 1.
--- include base

local servers = str()
call('HSET', P .. 'm', 'open', 1, 'servers', servers)
call('DEL', P .. 'pushed')
return 1
