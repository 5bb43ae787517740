-- What is wanted of the crawl.
--
-- Returns {halted, paused, stopped}: why it is halted, or ''; 1 or 0.
--- include base

local halted, paused, stopped = halted_now()
return {halted or '', paused and 1 or 0, stopped and 1 or 0}
