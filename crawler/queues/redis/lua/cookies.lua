-- Cookies that a worker was sent.
--
-- Arguments:
--   cookies    so many, then of each:
--     domain      that it is for
--     path        the same
--     name        of the cookie
--     deleted     1 if it was taken back
--     expires_s   in so long; '' for never
--     blob        the cookie
-- Returns 1.
--- include finish

local function drop_one(member)
  local slot = unpacked(member)
  call('HDEL', P .. 'ck', member)
  call('ZREM', P .. 'ck:seq', member)
  call('ZREM', P .. 'ck:' .. slot[1], member)
end
local function trim(row, most)
  local over = call('ZCARD', row) - most
  if over <= 0 then
    return
  end
  local good = {}
  for _, member in ipairs(call('ZRANGE', row, 0, -1)) do -- what was taken back goes before what is good
    if over > 0 and unpacked(call('HGET', P .. 'ck', member))[2] == 1 then
      drop_one(member)
      over = over - 1
    else
      good[#good + 1] = member
    end
  end
  for at = 1, over do
    drop_one(good[at])
  end
end
for _ = 1, num() do
  local domain, path, name, deleted, expires_s, blob = str(), str(), str(), num(), num_or_nil(), str()
  local member = pack({domain, path, name})
  S.cookie = S.cookie + 1
  call('HSET', P .. 'ck', member, pack({blob, deleted, expires_s and string.format('%.6f', real + expires_s) or ''}))
  call('ZADD', P .. 'ck:seq', S.cookie, member)
  call('ZADD', P .. 'ck:' .. domain, S.cookie, member)
  call('SADD', P .. 'ck:domains', domain)
  trim(P .. 'ck:' .. domain, POLICY.MOST_COOKIES_OF_DOMAIN)
  S.cookies = true
end
trim(P .. 'ck:seq', POLICY.MOST_COOKIES)
return finish(1)
