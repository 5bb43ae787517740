-- What workers are told of the crawl.
--
-- Returns the id of its plan, the plan, and 1 if its queue is whole.
--- include base

return call('HMGET', P .. 'm', 'id', 'plan', 'open')
