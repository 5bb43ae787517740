-- Entries of a stream that are not in crawl.db yet.
--
-- Arguments:
--   stream     'out' (records), 'words', 'named' or 'left', see base.lua
--   first      entry to begin with: '-' for the oldest, '(' in front for those behind it
--   count      how many, at the most
-- Returns them, the oldest first; fewer where they are large.
--- include base

local stream, first, count = str(), str(), num()
local found, bytes, at_once = {}, 0, 32 -- a thousand of the largest records would take 4 GiB
while #found < count and bytes < POLICY.ENTRIES_BYTES do
  at_once = min(at_once, count - #found)
  local some = call('XRANGE', P .. stream, first, '+', 'COUNT', at_once)
  for _, entry in ipairs(some) do
    if bytes >= POLICY.ENTRIES_BYTES then
      break
    end
    found[#found + 1] = entry
    for _, word in ipairs(entry[2]) do
      bytes = bytes + #word
    end
  end
  if #some < at_once then
    break
  end
  first, at_once = '(' .. some[#some][1], 2 * at_once
end
return glance(found)
