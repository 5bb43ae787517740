-- Records that are in crawl.db.
--
-- Arguments:
--   totals     of crawl.db, packed; '' for no news
--   entries    so many, then of each:
--     entry       of the record
-- Returns 1.
--- include records, finish

local totals = str()
local was_full = uncollected()
for _ = 1, num() do
  local entry = str()
  take_out(entry)
end
if totals ~= '' then
  call('HSET', P .. 'm', 'totals', totals)
end
if was_full and not uncollected() then
  wake_all = true
end
return finish(1)
