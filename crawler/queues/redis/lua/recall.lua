-- Pages that were settled lately, once more: another shard may have lost what they led to.
--
-- Returns how many.
--- include putting_back, finish

local count_of = 0
for _, member in ipairs(call('ZRANGE', P .. 'recent', 0, -1)) do
  local t = unpacked(member)
  if not task(t[1]) then
    put_back(t[1], t[2], t[8], t[3], t[7], t[4], t[5], t[6])
    count_of = count_of + 1
  end
end
call('DEL', P .. 'recent')
return finish(count_of)
