-- Files of hosts that are not in crawl.db yet.
--
-- Arguments:
--   count      how many, at the most
-- Returns of each: HOST NAME, the file, and for how long it still counts.
--- include base

local count = num()

local some = {}
for _, field in ipairs(call('SRANDMEMBER', P .. 'filed', count)) do
  local blob = call('HGET', P .. 'files', field)
  local kept = blob and unpacked(blob) or {}
  if kept.b then
    some[#some + 1] = {field, kept.b, string.format('%.6f', kept.real + kept.s - real)}
  else
    call('SREM', P .. 'filed', field)
  end
end
return glance(some)
