-- Which of the workers that wait is woken, and when (crawler/queues/long_poll.py).
--- include base

local function ring(id)
  call('PUBLISH', CFG.bell .. id, CFG.shard)
end

local function pass_on(kind)
  local row = P .. 'wait:' .. kind
  local first = call('ZRANGE', row, 0, 0, 'WITHSCORES')
  if first[1] and tonumber(first[2]) < S.news[kind] then
    call('ZREM', row, first[1])
    ring(first[1])
  end
end
local function tell(kind)
  S.news[kind] = S.news[kind] + 1
  pass_on(kind)
end

local function rouse()
  for _, kind in ipairs(KINDS) do
    local row = P .. 'wait:' .. kind
    for _, id in ipairs(call('ZRANGE', row, 0, -1)) do
      ring(id)
    end
    call('DEL', row)
  end
  S.watch = nil
end

local function first_score(key)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2]) or math.huge
end
-- When something may become due by itself. A margin, for clocks of another machine run a little differently.
local function next_event()
  local moment = min(
    first_score(P .. 'cool'), first_score(P .. 'delayed'), first_score(P .. 'off'),
    first_score(P .. 'alive') - lease_now + now
  )
  if releasable() > 0 then
    moment = now
  elseif S.held > 0 and CFG.shards > 1 then -- no other shard will tell that it is quiet there
    moment = min(moment, now + POLICY.QUIET_S)
  end
  if call('EXISTS', P .. 'shut') == 1 then
    moment = min(moment, S.giving_up)
  end
  return moment
end

-- The worker waits on; returns when it is to look at the clock for all of them, or nil if another one does.
local function wait_on(id, kind, until_moment)
  call('ZADD', P .. 'wait:' .. kind, S.news[kind], id)
  local alarm = min(next_event(), until_moment)
  if not S.watch or S.watch == id or S.watch_ends < now - 1 or alarm < S.watch_ends then
    S.watch, S.watch_ends = id, alarm
    return alarm
  end
  return nil
end

-- One who waited has got something, or goes: the others may have to go on with the watch, or with what is left.
local function wait_no_more(id, kind, more)
  call('ZREM', P .. 'wait:' .. kind, id)
  if more then
    pass_on(kind)
  end
  if S.watch == id then
    S.watch = nil
    for _, other in ipairs(KINDS) do
      local popped = call('ZPOPMIN', P .. 'wait:' .. other)
      if popped[1] then
        ring(popped[1])
        return
      end
    end
  end
end

local function tell_waiting()
  if wake_all then
    rouse()
  else
    for kind in pairs(opened) do
      tell(kind)
    end
  end
  if S.watch then
    local moment = next_event()
    if moment < S.watch_ends - 0.001 then
      S.watch_ends = moment
      ring(S.watch)
      for _, kind in ipairs(KINDS) do
        call('ZREM', P .. 'wait:' .. kind, S.watch)
      end
      S.watch = nil
    end
  end
end
