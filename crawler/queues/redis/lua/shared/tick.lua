-- What has to happen as time goes by; any command that a worker gives sees to it.
--- include leasing, settling, host_health

local function wake_delayed()
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, POLICY.WOKEN_AT_ONCE)) do
    call('ZREM', P .. 'delayed', id)
    local one = task(id)
    if one and one.s == 'd' then
      move(one.c, 'd', 'r')
      to_ready({id})
    end
  end
end

local function give_up_waiting()
  if now < S.giving_up then
    return
  end
  S.giving_up = now + POLICY.GIVING_UP_EVERY_S
  local name = call('ZRANGE', P .. 'shut', 0, 0)[1]
  if not name then
    return
  end
  local lane, left = touch(name), POLICY.GIVEN_UP_AT_ONCE
  local told = condition(name, lane)
  for _, kind in ipairs(KINDS) do
    local got = lane[kind] > 0 and pop(kind, name, min(left, lane[kind]), math.huge) or {}
    left = left - #got
    for _, item in ipairs(got) do
      local one = item[2]
      lane[kind] = lane[kind] - 1
      local reason = has(one.v, POLICY.FLAG_SEED) and told[5] or POLICY.HOST_DOWN
      keep_unvisited(item[1], one, 'r', 'done', 'failed', reason, {'host-down', unpack(told)})
    end
  end
end

local function part_with_the_lost(asking)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'alive', '-inf', lease_now, 'LIMIT', 0, POLICY.GIVEN_BACK_AT_ONCE)) do
    local one = worker(id)
    if one and one.deadline <= lease_now then
      local held = held_by(one)
      give_back(held, true)
      part_with(id)
      wake_all = true -- each of the others may have a larger part now
      if #held > 0 then
        notices[#notices + 1] = {'lost', id, #held}
      end
    elseif not one then
      call('ZREM', P .. 'alive', id)
    end
  end
  -- one that is alive may have tasks that it will never come back with
  local one, overdue = asking and worker(asking), {}
  for task_id, since in pairs(one and one.held or {}) do
    if since + CFG.max_lease_s <= lease_now then
      overdue[#overdue + 1] = task_id
    end
  end
  if #overdue > 0 then
    give_back(overdue, true)
    one.dirty = true
    notices[#notices + 1] = {'overdue', asking, #overdue}
  end
end

-- `asking` is the worker that speaks, if one does.
local function tick(asking)
  wake_hosts()
  wake_delayed()
  wake_health()
  place_all()
  give_up_waiting()
  part_with_the_lost(asking)
  local most = releasable()
  if most > 0 then
    release(most)
  end
  for name, done in pairs(S.done) do
    S.meter[name] = S.meter[name] or {}
    sample(S.meter[name], done)
  end
  place_all()
end
