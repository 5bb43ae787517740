-- The crawl is over. All but these words is gone by now, or goes: whoever still asks shall hear that it has ended.
--
-- Returns 1, or 0 if there is no such crawl.
--- include finish

call('HDEL', P .. 'm', 'open', 'servers')
call('HSET', P .. 'm', 'ended', 1)
meta[5] = '1'
call('EXPIRE', P .. 'm', POLICY.ENDED_S)
wake_all = true
return finish(1)
