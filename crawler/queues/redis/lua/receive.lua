-- When so much may be received from all hosts together, as in bandwidth.py.
--
-- Arguments:
--   bytes      that are to be received
--   rate       of these in a second
--   burst_s    so long nothing was received counts for later
--   horizon_s  nothing is promised beyond that
-- Returns seconds to wait, 0 for none.
--- include finish

local bytes, rate, burst_s, horizon_s = num(), num(), num(), num()

local begins = max(S.received or 0, now - burst_s)
local wait_s = max(0, begins - now)
if wait_s <= horizon_s then
  S.received = begins + bytes / rate
end
return finish(string.format('%.6f', wait_s))
