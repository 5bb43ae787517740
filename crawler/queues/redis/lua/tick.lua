-- What has to happen as time goes by.
--
-- Returns 1.
--- include tick, finish

-- A key that is gone, removed by hand or evicted: nothing would ever be given out again, without a word.
local held = S.n.pl + S.n.il + S.n.bl
local busy = held + S.n.pr + S.n.ir + S.n.br
for key, count in pairs({hosts = busy, tasks = held}) do
  if count > 0 and call('EXISTS', P .. key) == 0 then
    call('HSET', P .. 'm', 'damaged', P .. key)
  end
end
tick()
return finish(1)
