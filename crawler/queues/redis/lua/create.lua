-- Make the crawl, or bring its plan up to date.
--
-- Arguments:
--   id         of the plan
--   cfg        settings that commands go by (see _settings() in client.py), packed
--   plan       what workers are told, packed
--   owner      which crawl it is, with whatever plan
-- Returns 1 while its queue is being made anew, else 0; the error OWNED if the name is another crawl's.
--- include base

local id, cfg, plan, owner = str(), str(), str(), str()
local was = call('HMGET', P .. 'm', 'owner', 'ended')
if was[1] and was[1] ~= owner and not was[2] then
  return redis.error_reply('OWNED the name is taken by another crawl')
end
if was[2] then
  S = new_state()
  call('HDEL', P .. 'm', 'ended', 'totals', 'halted', 'paused', 'stopped')
  call('PERSIST', P .. 'm')
end
call('HSET', P .. 'm', 'id', id, 'cfg', pack(unpacked(cfg)), 'plan', plan, 'owner', owner, 'st', pack(S))
return meta[4] and 0 or 1
