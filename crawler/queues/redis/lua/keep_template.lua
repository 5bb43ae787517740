-- What is known of a template from now on.
--
-- Arguments:
--   host       of the template
--   changes    so many, then of each:
--     name        by which it is kept
--     before      what was read; '' for nothing
--     state       what it is now
-- Returns 1, or 0 if somebody else has changed any of it meanwhile: then nothing is kept.
--- include base

local host = str()
local kept_at, words = P .. 'templates:' .. host, {}
for _ = 1, num() do
  local name, before, state = str(), str(), str()
  if (call('HGET', kept_at, name) or '') ~= before then
    return glance(0)
  end
  words[#words + 1] = name
  words[#words + 1] = state
end
if not meta[5] then -- else the crawl has ended, and nobody would remove it
  call('HSET', kept_at, unpack(words))
end
return glance(1)
