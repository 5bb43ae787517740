-- The servers that all shards were whole at.
--
-- Returns what `opened` was told.
--- include base

return call('HGET', P .. 'm', 'servers') or ''
