-- A worker that waited here has got something of another shard meanwhile.
--
-- Arguments:
--   id         of the worker
--   kind       of its tasks
-- Returns 1.
--- include finish

local id, kind = str(), str()
wait_no_more(id, kind, call('EXISTS', P .. 'due:' .. kind) == 1)
return finish(1)
