-- What was left out.
--
-- Returns reasons and how often.
--- include base

return call('HGETALL', P .. 'x')
