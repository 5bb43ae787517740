-- Files that are in crawl.db.
--
-- Arguments:
--   files      so many, then of each:
--     field       HOST NAME
-- Returns 1.
--- include base

for _ = 1, num() do
  local field = str()
  call('SREM', P .. 'filed', field)
end
return glance(1)
