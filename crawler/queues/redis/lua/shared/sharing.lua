-- What workers hold of each host, and what they get of those that are due (see politeness.py). A hand has {slots, tasks}.
--- include hosts

local function in_hand(held)
  return min(held[1], held[2])
end

local function deal(worker, name, slots, tasks)
  local lane = touch(name)
  local held = worker.hand[name] or {0, 0}
  local before = in_hand(held)
  held[1], held[2] = slots, tasks
  domains.count(lane, in_hand(held) - before)
  worker.hand[name] = tasks > 0 and held or nil
end
local function drop(worker, name)
  local held = worker.hand[name]
  if held then
    deal(worker, name, in_hand(held), held[2] - 1)
  end
end

local function others_starve(kind, id)
  local row = P .. 'hungry:' .. kind
  call('ZREMRANGEBYSCORE', row, '-inf', '(' .. string.format('%.6f', now - POLICY.STARVED_S))
  return call('ZCARD', row) > (call('ZSCORE', row, id) and 1 or 0)
end

-- The first `most` that are due; those of a domain that has no room are blocked.
local function fresh_hosts(kind, most)
  while true do
    local first, is_any_full = call('ZRANGE', P .. 'due:' .. kind, 0, most - 1), false
    for _, name in ipairs(first) do
      if domains.room(host(name)) <= 0 then
        is_any_full = true
        place(name, touch(name))
      end
    end
    if not is_any_full then
      return first
    end
  end
end

-- Share out up to `wanted` tasks to a worker who can run `slots` at once here: a list of {host, tasks, slots}.
local function take(kind, id, worker, wanted, slots)
  local hand, used, held_hosts, holding = worker.hand, 0, {}, 0
  for name, held in pairs(hand) do
    used = used + in_hand(held)
    holding = holding + 1
    local lane = host(name)
    if lane.d <= now and lane[kind] > 0 then
      held_hosts[#held_hosts + 1] = name
    end
  end
  local fellows = max(1, S.fellows[kind])
  local even = others_starve(kind, id) and floor(CFG.per_host / fellows) or CFG.per_host
  local part = even < CFG.per_host and max(1, even) or ceil(CFG.per_host / fellows)
  local shares, fresh, next_fresh = {}, nil, 0
  while wanted > 0 do
    local name = table.remove(held_hosts)
    if not name then
      if used >= slots then
        break
      end
      fresh = fresh or fresh_hosts(kind, slots + holding)
      repeat
        next_fresh = next_fresh + 1
        name = fresh[next_fresh]
      until not name or not hand[name]
      if not name then
        break
      end
    end
    local lane, held = host(name), hand[name] or {0, 0}
    local before = in_hand(held)
    if before <= even and now - (lane.crowded or -1e18) >= POLICY.CROWDED_S then
      local delay_s = spacing_s(name, lane)
      local more_slots = max(0, min(cap_of(lane) - lane.f, domains.room(lane), slots - used, part - before))
      local room
      if delay_s > 0 then
        room = min(1, more_slots)
      elseif throttle.limit_of(lane) then
        room = more_slots
      else
        room = POLICY.TASKS_PER_SLOT * (before + more_slots) - held[2]
      end
      local tasks = min(wanted, lane[kind], room)
      if tasks > 0 then
        touch(name)
        lane[kind] = lane[kind] - tasks
        deal(worker, name, before + min(more_slots, tasks), held[2] + tasks)
        if delay_s > 0 then
          lane.d = now + delay_s
        end
        if lane['in_' .. kind] then -- to the end of the row: hosts take turns
          call('ZREM', P .. 'due:' .. kind, name)
          lane['in_' .. kind] = nil
        end
        shares[#shares + 1] = {name, tasks, hand[name][1]}
        used = used + in_hand(hand[name]) - before
        wanted = wanted - tasks
      end
    end
  end
  if next(hand) then
    call('ZREM', P .. 'hungry:' .. kind, id)
  else
    call('ZADD', P .. 'hungry:' .. kind, now, id)
  end
  return shares
end
