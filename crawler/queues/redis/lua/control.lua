-- What somebody wants of the crawl.
--
-- Arguments:
--   what       'halt', 'stop', 'pause' or 'resume'
--   reason     why, or who pauses it
-- Returns 1.
--- include finish

local what, reason = str(), str()

local m = P .. 'm'
if what == 'halt' then
  call('HSETNX', m, 'halted', reason)
elseif what == 'stop' then
  if call('HSETNX', m, 'halted', reason) == 1 then
    call('HSET', m, 'stopped', 1)
  end
elseif what == 'pause' then
  call('HSET', m, 'paused', reason)
else
  call('HDEL', m, 'paused')
end
if what ~= 'pause' then
  wake_all = true
end
return finish(1)
