-- How tasks end: given back, or settled for good, into the stream of records (crawler/queues/ledger.py).
--- include turns, sharing, workers, long_poll, picture_sizes

local WORTH = POLICY.WORTH_KEEPING

local function let_go(id, one)
  local holder = one.w and worker(one.w)
  turns.come_back(one.h, id)
  if holder then
    holder.held[id] = nil
    drop(holder, one.h)
    holder.dirty = true
    if call('ZREM', P .. 'wait:' .. holder.kind, one.w) == 1 then -- it can run another
      ring(one.w)
      if S.watch == one.w then
        S.watch = nil
      end
    end
  end
  one.w = nil
  one.dirty = true
end

-- Have a task that was let go wait for another attempt; `why` is reason and HTTP status, or nil.
local function delay(id, one, for_s, why)
  one.s, one.dirty, one.y = 'd', true, why
  call('ZADD', P .. 'delayed', now + for_s, id)
  move(one.c, 'l', 'd')
end

-- Settle a task for good: into the stream of records. `state` is done or dead, `fields` what else is to be known.
local function keep(id, one, before, state, status, reason, size, fields, has_next)
  local kind, deltas = one.c, {one.c .. ':' .. state, 1}
  local stands = has(one.v, POLICY.FLAG_KEPT)
  if kind == 'i' and CFG.largest_only then
    local next_size = size_settled(one, WORTH[status] or stands, has_next)
    if next_size then
      fields[#fields + 1] = 'z'
      fields[#fields + 1] = next_size[3] .. unpacked(parsed(next_size[2]).b)[1]
    end
  end
  local function add(name, by)
    deltas[#deltas + 1], deltas[#deltas + 2] = name, by
  end
  if not stands or WORTH[status] then
    for at = 1, one.o and #one.o or 0, 2 do
      add(one.o[at], -one.o[at + 1])
    end
    add(kind .. ':status:' .. status, 1)
    if reason ~= '' then
      add(kind .. ':reason:' .. reason, 1)
    end
    if status == 'saved' and size > 0 then
      add('bytes', size)
    end
  end
  tally(deltas, 1)
  if reason ~= '' then
    -- the path alone: what a text has behind it, such as an earlier record, cmsgpack may not know
    local legible, _, path = pcall(cmsgpack.unpack_one, one.b, string.byte(one.b) == 220 and 3 or 1)
    if legible and type(path) == 'string' then
      local url = string.sub(one.h .. path, 1, POLICY.SHOWN_URL)
      call('HSET', P .. 'missed', kind .. ':' .. reason, pack({string.format('%.6f', now), url}))
    end
  end
  call('XADD', P .. 'out', next_seq(), 'i', id, 'k', one.k, 'n', one.n, 'a', one.a, 'c', kind, 'd', one.d, 's', state,
    't', pack(deltas), unpack(fields))
  S.out = S.out + 1
  S.done[kind] = S.done[kind] + 1
  S.done.bytes = S.done.bytes + (status == 'saved' and size or 0)
  if kind ~= 'i' and CFG.shards > 1 and before then
    call('ZADD', P .. 'recent', now, pack({id, one.n, one.k, one.d, one.v, one.b, one.h, kind}))
    call('ZREMRANGEBYSCORE', P .. 'recent', '-inf', now - POLICY.RECENT_S)
  end
  move(kind, before, nil)
  forget_task(id)
  if drained() then
    wake_all = true
  end
end

-- Settle a task that no worker has come back with; its record is made by who reads it, of `why`.
local function keep_unvisited(id, one, before, state, status, reason, why)
  local fields, has_next = {'b', one.b, 'h', one.h, 'w', pack(why)}, false
  if has(one.v, POLICY.FLAG_KEPT) then
    state, status = 'done', 'failed'
  elseif has(one.v, POLICY.FLAG_HAS_NEXT) then
    -- which host the next size is of, only clients can read: until the collector has put it, here is something to do
    fields[7], fields[8], has_next = 'o', 1, true
    S.n.il = S.n.il + 1
  end
  keep(id, one, before, state, status, reason, 0, fields, has_next)
end

local function to_ready(ids)
  local fresh = {} -- by list: those that go back to its head, in their order
  for _, id in ipairs(ids) do
    local one = task(id)
    one.s, one.dirty = 'r', true
    local lane = touch(one.h)
    lane[one.c] = lane[one.c] + 1
    if one.a == 0 then
      local list = list_of(one.c, one.h)
      fresh[list] = fresh[list] or {}
      table.insert(fresh[list], id)
    else
      call('RPUSH', list_of(one.c, one.h, true), 'R' .. id)
    end
  end
  for list, given_back in pairs(fresh) do
    for at = #given_back, 1, -1 do
      call('LPUSH', list, 'R' .. given_back[at])
    end
  end
end

local function give_back(ids, charged)
  table.sort(ids)
  local ready = {}
  for _, id in ipairs(ids) do
    local one = task(id)
    if one and one.s == 'l' then
      let_go(id, one)
      S.lost = (S.lost or 0) + (charged and 1 or 0)
      if charged and one.a >= CFG.max_attempts then
        keep_unvisited(id, one, 'l', 'dead', 'dead', POLICY.LEASE_EXPIRED, {'dead', one.a})
      else
        one.a = one.a - (charged and 0 or 1)
        move(one.c, 'l', 'r')
        ready[#ready + 1] = id
      end
    end
  end
  to_ready(ready)
end
