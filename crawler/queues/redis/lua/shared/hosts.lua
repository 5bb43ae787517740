-- Which host is due: the lanes of crawler/queues/politeness.py, whose words these are; and the domains that they are of.
--- include base

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

-- Of the hosts in a row no more are known than MOST_RUNS: have the first of them forgotten.
local function for_each_too_many(row, forget)
  local over = call('ZCARD', P .. row) - POLICY.MOST_RUNS
  for _, name in ipairs(over > 0 and call('ZRANGE', P .. row, 0, min(over, POLICY.GIVEN_BACK_AT_ONCE) - 1) or {}) do
    forget(name)
  end
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
-- The lane of the same server by the other scheme (see same_server() of politeness.py); false if there is none.
local function other_scheme(name)
  local scheme, at = string.match(name, '^(https?)://(.+)$')
  local other = scheme and not string.find(at, ':%d+$') and (scheme == 'http' and 'https://' or 'http://') .. at
  return other and (hosts[other] or call('HEXISTS', P .. 'hosts', other) == 1) and host(other) or false
end
-- `other`: its lane by the other scheme, if the caller has looked for it.
local function spacing_s(name, lane, other)
  if name == POLICY.DATA_HOST then -- it stands for no server: nothing is asked of it
    return 0
  end
  if other == nil then
    other = other_scheme(name)
  end
  return max(CFG.delay_s, lane.delay or 0, lane.pace or 0, other and other.delay or 0, other and other.pace or 0)
end

-- domains: hosts of one owner, see politeness.py. A lane knows its own by `dom`, which clients tell.
local domains = {read = {}, roomy = {}}

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
    one.away = one.away + size_of(lane.away)
  end
end
function domains.room(lane)
  local one = domains.of(lane)
  return one and max(CFG.per_domain, CFG.per_host) - one.f or math.huge
end
-- So many more requests are under way to a host, or fewer.
function domains.count(lane, by)
  lane.f = lane.f + by
  if lane.f < 0 then -- whoever has removed the hosts: this one was made anew since, of nothing (see tick.lua)
    call('HSET', P .. 'm', 'damaged', P .. 'hosts')
  end
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
  for _, name in ipairs(call('SRANDMEMBER', P .. 'full', 10)) do -- some of all, in one command
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

-- Have a host in a row with that score, or not in it with nil. `field` of its lane is the score that it has there.
local function put_in(row, name, lane, field, score)
  if score ~= lane[field] then
    if score then
      call('ZADD', P .. row, score, name)
    else
      call('ZREM', P .. row, name)
    end
    lane[field] = score
  end
end

-- Put a lane where it belongs: in the rows of those that are due, among the cooling, or nowhere.
local function place(name, lane)
  local cap = cap_of(lane)
  local opens = max(lane.d, (lane.crowded or -1e18) + POLICY.CROWDED_S)
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
  put_in('cool', name, lane, 'cooling', opens > now and opens or nil)
  local ready = lane.p + lane.i + lane.b
  put_in('shut', name, lane, 'shut', cap == 0 and ready > 0 and (lane.shut or now) or nil)
  local load = ready + lane.f
  if load == 0 and lane.cooling then
    load = 0.5 -- it has nothing to do, and is to be left alone for a while
  elseif load == 0 then -- nothing is kept of a host that has nothing to do
    load, lane.asked, lane.paused, lane.crowded, lane.away = nil, nil, nil, nil, nil
  end
  put_in('load', name, lane, 'load', load)
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
writers[#writers + 1] = function()
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

-- A request to a host counts as sent at that moment: the next one has its delay to wait.
local function sent_at(name, moment)
  local lane = touch(name)
  local spacing = spacing_s(name, lane)
  lane.asked = moment
  if spacing > 0 then
    lane.d = max(lane.d, moment + spacing)
  end
end

local function pause(name, for_s)
  local lane = touch(name)
  lane.d = max(lane.d, now + for_s)
  lane.paused = max(lane.paused or 0, now + for_s)
end
