-- What a shard says of itself with every answer, and nothing else.
--
-- Returns 1.
--- include base

return glance(1)
