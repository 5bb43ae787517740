-- Cookies that have changed.
--
-- Arguments:
--   after      the number of a change: those behind it
-- Returns {news, seen}: of each the cookie, and seconds left or ''; and how far these go.
--- include base

local after = str()
local most = POLICY.COOKIES_AT_ONCE
local rows = call('ZRANGEBYSCORE', P .. 'ck:seq', '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
local news, seen = {}, S.cookie
for at = 1, #rows, 2 do
  local one = unpacked(call('HGET', P .. 'ck', rows[at]))
  news[#news + 1] = {one[1], one[3] == '' and '' or string.format('%.6f', one[3] - real)}
  if #rows == 2 * most then
    seen = tonumber(rows[at + 1])
  end
end
return {news, string.format('%.0f', seen)}
