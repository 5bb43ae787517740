-- Records out of their stream, as they are in crawl.db or their task is to be done again.
--- include base

local function is_tally(deltas)
  if type(deltas) ~= 'table' or #deltas % 2 ~= 0 then
    return false
  end
  for at = 1, #deltas, 2 do
    local by = deltas[at + 1]
    if type(deltas[at]) ~= 'string' or type(by) ~= 'number' or not (by > -2 ^ 52 and by < 2 ^ 52) then
      return false
    end
  end
  return true
end

-- Remove a record, and what it counts for; returns whether it was there.
local function take_out(entry)
  local there = call('XRANGE', P .. 'out', entry, entry)[1]
  if not there then
    return false
  end
  local is_ours = false
  for at = 1, #there[2], 2 do
    if there[2][at] == 't' then
      local legible, deltas = pcall(unpacked, there[2][at + 1])
      is_ours = legible and is_tally(deltas)
      if is_ours then
        tally(deltas, -1)
      end
    elseif there[2][at] == 'o' then
      S.n.il = max(0, S.n.il - 1)
    end
  end
  call('XDEL', P .. 'out', entry)
  if is_ours then -- else somebody else has put it there
    S.out = max(0, S.out - 1)
  end
  return true
end
