-- When so much may be received from all hosts together, as in bandwidth.py.
--
-- Arguments:
--   bytes      that are to be received
--   rate       of these in a second
-- Returns seconds to wait, 0 for none.
--- include finish

local bytes, rate = num(), num()

local begins = max(S.received or 0, now - POLICY.BURST_S)
local wait_s = max(0, begins - now)
if wait_s <= POLICY.HORIZON_S then
  S.received = begins + bytes / rate
end
return finish(string.format('%.6f', wait_s))
