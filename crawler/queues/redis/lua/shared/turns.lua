-- The turns of a host: when it may be asked next, by whom, and who is there as a guest (see politeness.py).
--- include hosts

local turns = {}

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
    sent_at(name, moment)
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
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'guests', '-inf', now, 'LIMIT', 0, POLICY.WOKEN_AT_ONCE)) do
    local task, name = string.match(member, '^(%d+) (.*)$')
    call('ZREM', P .. 'guests', member)
    if task then
      turns.over(name, task)
    end
  end
end

-- Whether there is no room for one more guest.
function turns.is_crowded(lane)
  local one, busy = domains.of(lane), max(lane.f - size_of(lane.away), size_of(lane.guests))
  return busy >= max(1, cap_of(lane)) or one and domains.room(lane) + one.away <= 0
end

-- Seconds until a host may be asked for something; 0 for now, and then it counts as asked. `guest`: a task of another
-- host, or nil.
function turns.take(name, guest)
  local lane, other = host(name), other_scheme(name)
  local asked = max(lane.asked or -1e18, other and other.asked or -1e18)
  local paused = max(lane.paused or 0, other and other.paused or 0)
  local wait = max(paused, asked + spacing_s(name, lane, other)) - now
  local is_new = guest and not (lane.guests and lane.guests[guest])
  if wait <= 0 and is_new and turns.is_crowded(lane) then
    touch(name).crowded = now
    wait = POLICY.ASK_AGAIN_S
  end
  if wait > 0 then
    return max(wait, 1e-6) -- as much as is told
  end
  sent_at(name, now)
  if is_new then
    lane.guests = lane.guests or {}
    lane.guests[guest] = true
    domains.count(lane, 1)
    call('ZADD', P .. 'guests', now + POLICY.GUEST_S, guest .. ' ' .. name)
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
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'cool', '-inf', now, 'LIMIT', 0, POLICY.WOKEN_AT_ONCE)) do
    touch(name)
  end
end
