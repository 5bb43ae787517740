-- A worker is gone for good.
--
-- Arguments:
--   id         of the worker
--   charged    whether its leases count as attempts
-- Returns 1.
--- include settling, finish

local id, charged = str(), bool()

call('ZADD', P .. 'gone', micros, id)
call('ZREMRANGEBYRANK', P .. 'gone', 0, -POLICY.GONE_WORKERS - 1)
local one = worker(id)
if one then
  give_back(held_by(one), charged)
end
for _, kind in ipairs(KINDS) do
  if call('ZREM', P .. 'wait:' .. kind, id) == 1 then
    ring(id)
  end
end
part_with(id)
wake_all = true -- there is more for the others
return finish(1)
