-- Which host is due: the lanes of crawler/queues/politeness.py, whose words these are.

local hosts, touched, throttle = {}, {}, {}

local function host(name)
  local lane = hosts[name]
  if lane == nil then
    local blob = call('HGET', P .. 'hosts', name)
    lane = blob and unpacked(blob) or {p = 0, i = 0, b = 0, f = 0, d = 0, dom = call('HGET', P .. 'doms', name) or nil}
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
  return lane.load or lane.failures or lane.p + lane.i + lane.b > 0
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

-- domains: hosts of one owner, see pacing.py. A lane knows its own by `dom`, which clients tell.
local domains = {read = {}, roomy = {}, CROWDED_S = 1}

function domains.of(lane)
  local one = lane.dom and domains.read[lane.dom]
  if lane.dom and not one then
    local counts_of = call('HMGET', P .. 'domains', lane.dom, '-' .. lane.dom)
    one = {f = tonumber(counts_of[1] or 0), away = tonumber(counts_of[2] or 0), name = lane.dom}
    domains.read[lane.dom] = one
  end
  return one
end
function domains.join(name, domain)
  call('HSET', P .. 'doms', name, domain)
  if not host(name).dom then
    local lane = touch(name)
    lane.dom = domain
    local one = domains.of(lane)
    one.f, one.dirty = one.f + lane.f, true
    for _ in pairs(lane.away or {}) do
      one.away = one.away + 1
    end
  end
end
function domains.room(lane)
  local one = domains.of(lane)
  return one and max(CFG.per_domain, CFG.per_host) - one.f or math.huge
end
-- So many more requests are under way to a host, or fewer.
function domains.count(lane, by)
  lane.f = lane.f + by
  local one = domains.of(lane)
  if one and by ~= 0 then
    one.f, one.dirty = one.f + by, true
    if by < 0 then
      domains.roomy[one.name] = true
    end
  end
end
-- Whether the domain of a host that is due has room for it; if not, it is told of when there is some.
function domains.has_room(name, lane)
  if not lane.dom then
    return true
  end
  local blocked = domains.room(lane) <= 0 and lane.p + lane.i + lane.b > 0 or nil
  if blocked ~= lane.blocked then
    lane.blocked = blocked
    if blocked then
      S.turn = S.turn + 1
      call('ZADD', P .. 'blocked:' .. lane.dom, S.turn, name)
      call('SADD', P .. 'full', lane.dom)
    else
      call('ZREM', P .. 'blocked:' .. lane.dom, name)
    end
  end
  return domains.room(lane) > 0
end
-- Let in as many hosts of a domain as it has room for; what they do not need is for others the next time.
function domains.unblock(name)
  local room = domains.room({dom = name})
  if room > 0 then
    local waiting = call('ZRANGE', P .. 'blocked:' .. name, 0, room - 1)
    if #waiting == 0 then
      call('SREM', P .. 'full', name)
    end
    for _, of in ipairs(waiting) do
      touch(of)
    end
  end
end
function domains.wake()
  for _, name in ipairs(call('SRANDMEMBER', P .. 'full', 10)) do
    domains.unblock(name)
  end
end
function domains.write()
  for name, one in pairs(domains.read) do
    if one.dirty then
      one.dirty = nil
      if one.f > 0 or one.away > 0 then
        call('HSET', P .. 'domains', name, one.f, '-' .. name, one.away)
      else
        call('HDEL', P .. 'domains', name, '-' .. name)
      end
    end
  end
end

local opened = {}
-- Put a lane where it belongs: in the rows of those that are due, among the cooling, or nowhere.
local function place(name, lane)
  local cap = cap_of(lane)
  local opens = max(lane.d, (lane.crowded or -1e18) + domains.CROWDED_S)
  local open_now = opens <= now and lane.f < cap and domains.has_room(name, lane)
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
  if opens > now then
    if lane.cooling ~= opens then
      call('ZADD', P .. 'cool', opens, name)
      lane.cooling = opens
    end
  elseif lane.cooling then
    call('ZREM', P .. 'cool', name)
    lane.cooling = nil
  end
  local ready = lane.p + lane.i + lane.b
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
  if load == 0 and not lane.cooling then -- nothing is kept of a host that has nothing to do
    lane.asked, lane.paused, lane.crowded, lane.away = nil, nil, nil, nil
  end
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
  for name in pairs(domains.roomy) do
    domains.unblock(name)
  end
  domains.roomy = {}
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
  domains.write()
end

local function pause(name, for_s)
  local lane = touch(name)
  lane.d = max(lane.d, now + for_s)
  lane.paused = max(lane.paused or 0, now + for_s)
end

-- turns: as in pacing.py

local turns = {ASK_AGAIN_S = 0.1, GUEST_S = 120}

function turns.set_delay(name, delay_s, just_asked)
  if delay_s ~= (host(name).delay or 0) then
    local lane = touch(name)
    lane.delay = delay_s > 0 and delay_s or nil
    if just_asked and delay_s > 0 then
      lane.asked = now
    end
    if lane.asked then
      lane.d = max(lane.d, lane.asked + spacing_s(name, lane))
    end
  end
end

-- A request was sent so many seconds ago, and is being answered.
function turns.taken(name, ago_s)
  local lane = host(name)
  local moment = min(now, now - ago_s + max(CFG.delay_s, lane.delay or 0) / 2)
  if lane.asked and lane.asked < moment then
    touch(name)
    lane.asked = moment
    local spacing = spacing_s(name, lane)
    if spacing > 0 then
      lane.d = max(lane.d, moment + spacing)
    end
  end
end

-- A leased task of a host asks others from now on: a guest may have its place, but no lease.
function turns.go_away(name, id)
  local lane = touch(name)
  lane.away = lane.away or {}
  if not lane.away[id] then
    lane.away[id] = true
    turns.count_away(lane, 1)
  end
end
function turns.count_away(lane, by)
  local one = domains.of(lane)
  if one then
    one.away, one.dirty = one.away + by, true
  end
end
-- The lease of a task is about to end.
function turns.come_back(name, id)
  local lane = host(name)
  if lane.away and lane.away[id] then
    touch(name).away[id] = nil
    turns.count_away(lane, -1)
    if not next(lane.away) then
      lane.away = nil
    end
  end
end

-- A guest has got its answer, if it was one.
function turns.over(name, task)
  local lane = host(name)
  if lane.guests and lane.guests[task] then
    touch(name)
    lane.guests[task] = nil
    domains.count(lane, -1)
    if not next(lane.guests) then
      lane.guests = nil
    end
    call('ZREM', P .. 'guests', task .. ' ' .. name)
  end
end

function turns.leave_late()
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'guests', '-inf', now, 'LIMIT', 0, 1000)) do
    local task, name = string.match(member, '^(%d+) (.*)$')
    call('ZREM', P .. 'guests', member)
    if task then
      turns.over(name, task)
    end
  end
end

-- Whether there is no room for one more guest.
function turns.is_crowded(lane)
  local away, guests = 0, 0
  for _ in pairs(lane.away or {}) do
    away = away + 1
  end
  for _ in pairs(lane.guests or {}) do
    guests = guests + 1
  end
  local one = domains.of(lane)
  return max(lane.f - away, guests) >= max(1, cap_of(lane)) or one and domains.room(lane) + one.away <= 0
end

-- Seconds until a host may be asked for something; 0 for now, and then it counts as asked. `guest`: a task of another
-- host, or nil.
function turns.take(name, guest)
  local lane = host(name)
  local spacing = spacing_s(name, lane)
  local wait = max(lane.paused or 0, lane.asked and lane.asked + spacing or 0) - now
  local is_new = guest and not (lane.guests and lane.guests[guest])
  if wait <= 0 and is_new and turns.is_crowded(lane) then
    touch(name).crowded = now
    wait = turns.ASK_AGAIN_S
  end
  if wait > 0 then
    return max(wait, 1e-6) -- as much as is told
  end
  touch(name)
  lane.asked = now
  if spacing > 0 then
    lane.d = max(lane.d, now + spacing)
  end
  if is_new then
    lane.guests = lane.guests or {}
    lane.guests[guest] = true
    domains.count(lane, 1)
    call('ZADD', P .. 'guests', now + turns.GUEST_S, guest .. ' ' .. name)
  end
  return 0
end

-- The hosts of which a worker holds more than it runs, and that have a limit, a delay or a pause: it shall not begin the
-- rest.
function turns.left_alone(worker)
  local alone = {}
  for name, held in pairs(worker and worker.hand or {}) do
    if held[2] > held[1] then
      local lane = host(name)
      if throttle.limit_of(lane) or (lane.paused or 0) > now or spacing_s(name, lane) > 0 then
        alone[#alone + 1] = name
      end
    end
  end
  return alone
end

-- Bring back the hosts whose pause is over.
local function wake_hosts()
  turns.leave_late()
  domains.wake()
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
  domains.count(lane, in_hand(held) - before)
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
  local even = others_hungry(kind, id) and floor(CFG.per_host / fellows) or CFG.per_host
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
    if before <= even and now - (lane.crowded or -1e18) >= domains.CROWDED_S then
      local delay_s = spacing_s(name, lane)
      local more_slots = max(0, min(cap_of(lane) - lane.f, domains.room(lane), slots - used, part - before))
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
