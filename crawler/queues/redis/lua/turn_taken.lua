-- A request was sent to a host a while ago, and is being answered.
--
-- Arguments:
--   name       of the host
--   ago_s      since then
-- Returns 1.
--- include turns, finish

local name, ago_s = str(), num()

turns.taken(name, ago_s)
return finish(1)
