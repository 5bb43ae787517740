-- Entries of a stream that are in crawl.db.
--
-- Arguments:
--   stream     'out' (records), 'words', 'named' or 'left', see base.lua
--   totals     of crawl.db, packed; '' for no news
--   entries    so many, then of each:
--     entry       of the stream
-- Returns 1.
--- include records, finish

local stream, totals = str(), str()
local was_full = uncollected()
for _ = 1, num() do
  local entry = str()
  if stream == 'out' then
    take_out(entry)
  else
    local gone = call('XDEL', P .. stream, entry)
    S.words = max(0, S.words - (stream == 'words' and gone or 0))
  end
end
if totals ~= '' then
  call('HSET', P .. 'm', 'totals', totals)
end
if was_full and not uncollected() then
  wake_all = true
end
return finish(1)
