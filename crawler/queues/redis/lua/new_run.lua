-- Somebody has started the crawl: what was wanted of an earlier run (a pause, a stop) is over, and so are its failures.
--
-- Returns 1.
--- include finish

call('HDEL', P .. 'm', 'halted', 'paused', 'stopped')
call('DEL', P .. 'missed')
S.started, S.has_renderer, wake_all = now, nil, true
S.mean = {p = S.done.p, i = S.done.i, b = S.done.b, bytes = S.done.bytes} -- what was there before
return finish(1)
