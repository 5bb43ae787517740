-- What there is to see of the shard.
--
-- Arguments:
--   with_hosts whether hosts are wanted as well
-- Returns {states, counters, totals, dropped, workers, worker_count, paused, halted, stopped, hosts, host_count, up_s,
-- rates, known, waiting, retries, held, waiting_images, image_backlog, paused_by, missed, due, lost, troubled}, as
-- status.py reads them.
--- include tick, finish

local with_hosts = bool()

tick()
place_all()
local found_workers = {}
for _, id in ipairs(call('ZRANGE', P .. 'alive', 0, POLICY.SHOWN_WORKERS - 1)) do
  local one = worker(id)
  if one then
    found_workers[#found_workers + 1] = {
      one.state, size_of(one.held), string.format('%.6f', max(0, now - one.seen)), rate(one.meter),
    }
  end
end
local shown, seen = {}, {}
local function looks(name, lane)
  return {
    name, lane.p, lane.i, lane.b, lane.f, string.format('%.6f', max(0, lane.d - now)),
    string.format('%.6f', spacing_s(name, lane)), lane.limit and condition(name, lane) or throttle.condition(name, lane),
    string.format('%.6f', lane.delay or 0),
  }
end
local function show(name)
  seen[name] = true
  shown[#shown + 1] = looks(name, host(name))
end
if with_hosts then
  for _, name in ipairs(call('ZREVRANGE', P .. 'load', 0, POLICY.SHOWN_HOSTS - 1)) do
    show(name)
  end
  local troubled = 0
  for _, name in ipairs(call('ZREVRANGE', P .. 'runs', 0, POLICY.TROUBLED_LOOKED_AT - 1)) do
    if troubled < POLICY.SHOWN_TROUBLED and not seen[name] and host(name).limit then
      troubled = troubled + 1
      show(name)
    end
  end
end
-- hosts that are not asked as fast as we could: of the first few that may be such, those with the most to do
local function that_wait()
  local slow, waiting, is_seen = {}, {}, {}
  local function look(row, most, command)
    for _, name in ipairs(call(command, P .. row, 0, most - 1)) do
      local lane = host(name)
      local ready = lane.p + lane.i + lane.b
      local waits = lane.limit or lane.th or spacing_s(name, lane) > 0 or (lane.d > now and ready > 0)
      if waits and ready + lane.f > 0 and not is_seen[name] then
        is_seen[name] = true
        slow[#slow + 1] = {ready + lane.f, name}
      end
    end
  end
  look('load', POLICY.LOOKED_AT, 'ZREVRANGE')
  look('cool', POLICY.LOOKED_AT, 'ZRANGE')
  look('runs', POLICY.SHOWN_TROUBLED, 'ZREVRANGE')
  look('slow', POLICY.SHOWN_TROUBLED, 'ZREVRANGE')
  table.sort(slow, function(one, other)
    return one[1] > other[1]
  end)
  for at = 1, min(#slow, POLICY.SHOWN_WAITING) do
    waiting[at] = looks(slow[at][2], host(slow[at][2]))
  end
  return waiting
end
-- the next tasks that are tried again, one of each host, as delayed.py has them
local function next_retries()
  local retries, is_seen = {}, {}
  local later = call('ZRANGE', P .. 'delayed', 0, POLICY.LOOKED_AT - 1, 'WITHSCORES')
  for at = 1, #later, 2 do
    local one = #retries < POLICY.SHOWN_RETRIES and task(later[at])
    if one and one.s == 'd' and not is_seen[one.h] then
      is_seen[one.h] = true
      local why = one.y or {'', 0}
      retries[#retries + 1] = {
        one.h, one.c, string.format('%.6f', max(0, tonumber(later[at + 1]) - now)), max(0, CFG.max_attempts - one.a),
        why[1], why[2],
      }
    end
  end
  return retries
end
-- the latest failure for each reason, of so many as there are reasons
local function missed()
  local found = {}
  local names = call('HGETALL', P .. 'missed')
  for at = 1, #names, 2 do
    local legible, last = pcall(unpacked, names[at + 1])
    if legible and type(last) == 'table' and tonumber(last[1]) and type(last[2]) == 'string' then
      found[#found + 1] = {names[at], string.format('%.6f', max(0, now - tonumber(last[1]))), last[2]}
    end
  end
  return found
end
-- how many more tasks of each kind could be begun now, as politeness.py counts them
local function due_now(kind)
  local found = 0
  for _, name in ipairs(call('ZRANGE', P .. 'due:' .. kind, 0, POLICY.DUE_LOOKED_AT - 1)) do
    local lane = host(name)
    local free = min(cap_of(lane) - lane.f, domains.room(lane))
    found = found + max(0, min(lane[kind], free, spacing_s(name, lane) > 0 and 1 or free))
  end
  return found
end
-- how many hosts are in each kind of trouble
local function troubled_hosts()
  local found, names = {}, {}
  for _, row in ipairs({'runs', 'slow'}) do
    for _, name in ipairs(call('ZREVRANGE', P .. row, 0, POLICY.TROUBLED_LOOKED_AT - 1)) do
      local lane = host(name)
      if not names[name] and (lane.limit or lane.th) then
        names[name] = true
        local trouble = lane.limit and condition(name, lane)[2] or POLICY.SLOWED
        found[trouble] = (found[trouble] or 0) + 1
      end
    end
  end
  local flat = {}
  for trouble, count in pairs(found) do
    flat[#flat + 1] = trouble
    flat[#flat + 1] = string.format('%d', count)
  end
  return flat
end
local waiting, retries = that_wait(), next_retries()
local halted, paused, stopped = halted_now()
local hosts_in_all = call('ZCARD', P .. 'load')
local rates = {rate(S.meter.p), rate(S.meter.i), rate(S.meter.b), rate(S.meter.bytes)}
for at, kind in ipairs({'p', 'i', 'b', 'bytes'}) do -- and over all the time
  local grown = max(0, S.done[kind] - (S.mean and S.mean[kind] or 0))
  rates[4 + at] = string.format('%.6f', now > S.started and grown / (now - S.started) or 0)
end
local up_s = string.format('%.6f', now - S.started)
local n = S.n
local states = {n.pr, n.pd, n.pl, n.ir, n.id, n.il, n.br, n.bd, n.bl}
local workers_in_all = S.fellows.p + S.fellows.i + S.fellows.b
local reply = finish({})
reply[1] = {
  states, call('HGETALL', P .. 'c'), call('HGET', P .. 'm', 'totals') or '', call('HGETALL', P .. 'x'), found_workers,
  workers_in_all, paused and 1 or 0, halted or '', stopped and 1 or 0, shown, hosts_in_all, up_s, rates,
  S.known.p + S.known.i + S.known.b, waiting, retries, S.held,
  S.n.ir + S.n.id, CFG.image_backlog, paused or '', missed(),
  {due_now('p'), due_now('i'), due_now('b')}, S.lost or 0, troubled_hosts(),
}
return reply
