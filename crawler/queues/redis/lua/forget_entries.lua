-- Entries of a stream, other than records, that are in crawl.db.
--
-- Arguments:
--   stream     'words' or 'left', see base.lua
--   entries    so many, then of each:
--     entry       of the stream
-- Returns 1.
--- include finish

local stream = str()
local was_full = uncollected()
for _ = 1, num() do
  local entry = str()
  local gone = call('XDEL', P .. stream, entry)
  if stream == 'words' then
    S.words = max(0, S.words - gone)
  end
end
if was_full and not uncollected() then
  wake_all = true
end
return finish(1)
