-- Which host is due: the lanes of crawler/queues/pacing.py, whose words these are.

local hosts, touched, throttle = {}, {}, {}

local function host(name)
  local lane = hosts[name]
  if lane == nil then
    local blob = call('HGET', P .. 'hosts', name)
    lane = blob and unpacked(blob) or {p = 0, i = 0, f = 0, d = 0}
    hosts[name] = lane
  end
  return lane
end
local function touch(name)
  local lane = host(name)
  if not lane.dirty then
    lane.dirty = true
    touched[#touched + 1] = name
  end
  return lane
end

-- Whether there is, or lately was, something to do for a host: redirects lead anywhere.
local function is_known(name)
  local lane = host(name)
  return lane.load or lane.failures or lane.p + lane.i > 0
end

-- At most so many requests, of a host in trouble or one that is probed; nil for as many as always.
function throttle.limit_of(lane)
  if lane.th and lane.th.k > 0 then
    return min(1, lane.limit or 1)
  end
  return lane.limit
end
local function cap_of(lane)
  return throttle.limit_of(lane) or CFG.per_host
end
local function spacing_s(name, lane)
  if name == 'data:' then -- it stands for no server: nothing is asked of it
    return 0
  end
  return max(CFG.delay_s, lane.delay or 0, lane.pace or 0)
end

local opened = {}
-- Put a lane where it belongs: in the rows of those that are due, among the cooling, or nowhere.
local function place(name, lane)
  local cap = cap_of(lane)
  local open_now = lane.d <= now and lane.f < cap
  for _, kind in ipairs(KINDS) do
    local row = 'in_' .. kind
    if open_now and lane[kind] > 0 then
      if not lane[row] then
        S.turn = S.turn + 1
        call('ZADD', P .. 'due:' .. kind, S.turn, name)
        lane[row] = true
        opened[kind] = true
      end
    elseif lane[row] then
      call('ZREM', P .. 'due:' .. kind, name)
      lane[row] = nil
    end
  end
  if lane.d > now then
    if lane.cooling ~= lane.d then
      call('ZADD', P .. 'cool', lane.d, name)
      lane.cooling = lane.d
    end
  elseif lane.cooling then
    call('ZREM', P .. 'cool', name)
    lane.cooling = nil
  end
  local ready = lane.p + lane.i
  local shut = cap == 0 and ready > 0
  if shut ~= (lane.shut or false) then
    if shut then
      call('ZADD', P .. 'shut', now, name)
    else
      call('ZREM', P .. 'shut', name)
    end
    lane.shut = shut or nil
  end
  local load = ready + lane.f
  if load == 0 and lane.cooling then
    load = 0.5 -- it has nothing to do, and is to be left alone for a while
  end
  if load ~= (lane.load or 0) then
    if load > 0 then
      call('ZADD', P .. 'load', load, name)
    else
      call('ZREM', P .. 'load', name)
    end
    lane.load = load > 0 and load or nil
  end
end

local function place_all()
  for _, name in ipairs(touched) do
    place(name, hosts[name])
  end
end
local function write_hosts()
  place_all()
  for _, name in ipairs(touched) do
    local lane = hosts[name]
    lane.dirty = nil
    if lane.load or lane.failures or lane.limit or lane.delay or lane.cooling or lane.th then
      call('HSET', P .. 'hosts', name, pack(lane))
    else
      call('HDEL', P .. 'hosts', name)
    end
  end
  touched = {}
end

local function pause(name, for_s)
  local lane = touch(name)
  lane.d = max(lane.d, now + for_s)
end

-- Bring back the hosts whose pause is over.
local function wake_hosts()
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'cool', '-inf', now, 'LIMIT', 0, 1000)) do
    touch(name)
  end
end

-- hands: what a worker holds of each host, as {slots, tasks}

local function in_hand(held)
  return min(held[1], held[2])
end

local function deal(worker, name, slots, tasks)
  local lane = touch(name)
  local held = worker.hand[name] or {0, 0}
  local before = in_hand(held)
  held[1], held[2] = slots, tasks
  lane.f = lane.f + in_hand(held) - before
  worker.hand[name] = tasks > 0 and held or nil
end
local function drop(worker, name)
  local held = worker.hand[name]
  if held then
    deal(worker, name, in_hand(held), held[2] - 1)
  end
end

local HUNGRY_S, TASKS_PER_SLOT = 10, 8

local function others_hungry(kind, id)
  local row = P .. 'hungry:' .. kind
  call('ZREMRANGEBYSCORE', row, '-inf', '(' .. string.format('%.6f', now - HUNGRY_S))
  return call('ZCARD', row) > (call('ZSCORE', row, id) and 1 or 0)
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
  local even = others_hungry(kind, id) and floor(CFG.per_host / fellows) or CFG.per_host
  local part = even < CFG.per_host and max(1, even) or ceil(CFG.per_host / fellows)
  local shares, fresh, next_fresh = {}, nil, 0
  while wanted > 0 do
    local name = table.remove(held_hosts)
    if not name then
      if used >= slots then
        break
      end
      fresh = fresh or call('ZRANGE', P .. 'due:' .. kind, 0, slots + holding - 1)
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
    if before <= even then
      local delay_s = spacing_s(name, lane)
      local more_slots = max(0, min(cap_of(lane) - lane.f, slots - used, part - before))
      local room
      if delay_s > 0 then
        room = min(1, more_slots)
      elseif throttle.limit_of(lane) then
        room = more_slots
      else
        room = TASKS_PER_SLOT * (before + more_slots) - held[2]
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
