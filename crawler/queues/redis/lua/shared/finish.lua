-- The end of every command that changes something: what is in tables is written, and whom it concerns is told.
--- include long_poll

local function finish(reply)
  for _, write in ipairs(writers) do
    write()
  end
  for name, by in pairs(counts) do
    if by ~= 0 and call('HINCRBY', P .. 'c', name, by) == 0 then
      call('HDEL', P .. 'c', name)
    end
  end
  tell_waiting()
  if CFG.shards == 1 and drained() and S.cookies then -- no shard knows of the others that all of them are
    for _, domain in ipairs(call('SMEMBERS', P .. 'ck:domains')) do
      call('DEL', P .. 'ck:' .. domain)
    end
    call('DEL', P .. 'ck', P .. 'ck:seq', P .. 'ck:domains')
    S.cookies = nil
  end
  call('HSET', P .. 'm', 'st', pack(S))
  if meta[5] then -- the crawl has ended, and nobody will remove what its workers still say
    for _, name in ipairs({'workers', 'alive', 'gone'}) do
      call('EXPIRE', P .. name, POLICY.ENDED_S)
    end
    for _, kind in ipairs(KINDS) do
      call('EXPIRE', P .. 'wait:' .. kind, POLICY.ENDED_S)
    end
  end
  return glance(reply)
end
