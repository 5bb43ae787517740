-- Tasks: how they come, wait, are leased, given back and settled (crawler/queues/ledger.py and intake.py).
--
-- A task that waits and has never been leased is one entry of its host's list: N, its key (16 bytes), its depth (3), its
-- flags (1), for a size what sizes.lua says, and its text, which only the clients read. With the first lease it gets an
-- id, and a place in tasks, until it is settled: k key, b text, d depth, v flags, s state, n serial, a attempts, h host,
-- c kind, w worker, o old record, p picture, x size, y why it is to be tried again (reason and HTTP status).

-- a seed; a task whose record of an earlier visit stands, whatever comes; a size in another one's place; one that has more
local FLAG_SEED, FLAG_KEPT, FLAG_NEXT_SIZE, FLAG_HAS_NEXT = 1, 2, 4, 8
local WORTH = {saved = true, duplicate = true, harvested = true, rendered = true}
local REPLY_BYTES = 1048576
local GIVEN_UP_AT_ONCE, GIVING_UP_EVERY_S = 2000, 0.25

local function list_of(kind, name, tried)
  return P .. (tried and 'r:' or 'q:') .. kind .. ':' .. name
end

function has(flags, flag)
  return floor(flags / flag) % 2 == 1
end

-- Behind the flags of an entry: of a size p, its picture, and x, its size; and the text.
local function with_text(one, body)
  if has(one.v, FLAG_SIZED) then
    local a, b, c = string.byte(body, 17, 19)
    one.p, one.x = string.sub(body, 1, 16), a * 65536 + b * 256 + c
    body = string.sub(body, 20)
  end
  one.b = body
  return one
end

local function parsed(entry)
  local a, b, c, flags = string.byte(entry, 18, 21)
  return with_text({k = string.sub(entry, 2, 17), d = a * 65536 + b * 256 + c, v = flags}, string.sub(entry, 22))
end

-- One task more or less in a state.
function move(kind, before, after)
  local was_backlogged = kind == 'i' and backlogged()
  if before then
    S.n[kind .. before] = S.n[kind .. before] - 1
  end
  if after then
    S.n[kind .. after] = S.n[kind .. after] + 1
  end
  if was_backlogged and not backlogged() then
    opened.p, opened.b = true, true -- who finds images may go on
  end
end

-- One more that waits and has not been tried.
function line_up(kind, name, entry)
  call('RPUSH', list_of(kind, name), entry)
  local lane = touch(name)
  lane[kind] = lane[kind] + 1
  move(kind, nil, 'r')
end

-- intake

-- Count what is left out; of a URL, whose entry this is, tell the catalogue: as much as it keeps (see left_out.py), and
-- none that is very long.
function drop_url(reason, by, kind, name, entry)
  local most, most_of_each, most_bytes = 100000 / CFG.shards, 2000, 16384
  local amount, left = call('HINCRBY', P .. 'x', reason, by or 1), S.left or 0
  if entry and #entry <= most_bytes and (left < most or amount <= most_of_each) then
    call('XADD', P .. 'left', next_seq(), 'r', reason, 'c', kind, 'h', name, 'b', parsed(entry).b)
    S.left = left + 1
  end
end

local function limit_reached(kind)
  local most = kind == 'i' and CFG.max_images or CFG.max_pages
  if most > 0 and S.known[kind] + elsewhere[kind] >= most then
    return kind == 'i' and 'max-images' or 'max-pages'
  end
end

-- What tells a URL from others of its key ('' or 4 bytes), and which words it has (bits of crawler/models/image_words.py).
function read_note(remark)
  if #remark < 4 then
    return '', tonumber(remark) or 0
  end
  return string.sub(remark, 1, 4), tonumber(string.sub(remark, 5)) or 0
end

-- Tell the catalogue of what `entry` has of the words of these bits.
function say_words(key, entry, bits)
  local said, told, some = unpacked(parsed(entry).b), {}, false
  for at, bit_of in ipairs({1, 2, 4, 8, 8}) do -- alt, title, caption, heading, page_title: see _Text in packing.py
    told[at] = has(bits, bit_of) and said[at + 3] or ''
    some = some or told[at] ~= ''
  end
  if some then
    call('XADD', P .. 'words', next_seq(), 'k', key, 'w', pack(told))
    S.words = S.words + 1
  end
end

-- A URL that is known, once more: for each word that it had none of one entry goes to the catalogue, and no second.
local function found_again(kind, name, key, first, again, entry, bucket, field)
  local url, words = read_note(first)
  local other, more = read_note(again)
  more = more % (NOTE_WORDS + 1)
  if url ~= other then
    drop_url('session-id', 1, kind, name, entry)
  end
  local all = bit.bor(words, more)
  if all ~= words then
    call('HSET', bucket, field, url .. all)
    say_words(key, entry, all - words)
  end
end

-- Tasks as the clients pack them: kind, key, host, note, what keeps it out, entry. Returns how many were new.
local function intake(amount)
  local new = 0
  for _ = 1, amount do
    local kind, key, name, remark, kept_out, entry = arg(), arg(), arg(), arg(), arg(), arg()
    local first, bucket, field = known(key)
    local flags = string.byte(entry, 21)
    local in_place, sized = has(flags, FLAG_NEXT_SIZE), CFG.largest_only and has(flags, FLAG_SIZED) and parsed(entry)
    if first then
      if first ~= remark then
        found_again(kind, name, key, first, remark, entry, bucket, field)
      end
      if sized and in_place then
        try_at_once(sized.p, {sized.x, entry, name})
      end
    else
      local reason = kept_out ~= '' and kept_out
      if not reason and not in_place and not (sized and select(3, family(sized.p))) then -- that is no further picture
        reason = limit_reached(kind)
      end
      if reason then
        drop_url(reason, 1, kind, name, entry)
      elseif sized then
        call('HSET', bucket, field, remark)
        new = new + (take_on(sized.p, {sized.x, entry, name}, in_place) and 1 or 0)
      else
        call('HSET', bucket, field, remark)
        S.known[kind] = S.known[kind] + 1
        line_up(kind, name, entry)
        new = new + 1
      end
    end
  end
  return new
end
local function skip(amount)
  position = position + 6 * amount
end

-- giving back

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

local function tally(deltas)
  for at = 1, #deltas, 2 do
    count(deltas[at], deltas[at + 1])
  end
end
local function untally(deltas)
  for at = 1, #deltas, 2 do
    count(deltas[at], -deltas[at + 1])
  end
end

-- Settle a task for good: into the stream of records. `state` is done or dead, `fields` what else is to be known.
local function keep(id, one, before, state, status, reason, size, fields, has_next)
  local kind, deltas = one.c, {one.c .. ':' .. state, 1}
  local stands = has(one.v, FLAG_KEPT)
  if kind == 'i' and CFG.largest_only then
    local next_size = size_settled(one, WORTH[status] or stands, has_next)
    if next_size then
      fields[#fields + 1] = 'z'
      fields[#fields + 1] = next_size[3] .. unpacked(parsed(next_size[2]).b)[1]
    end
  end
  if not (stands and not WORTH[status]) then
    if one.o then
      untally(one.o)
      for at = 1, #one.o, 2 do
        deltas[#deltas + 1] = one.o[at]
        deltas[#deltas + 1] = -one.o[at + 1]
      end
    end
    local more = {kind .. ':status:' .. status, 1}
    if reason ~= '' then
      more[#more + 1] = kind .. ':reason:' .. reason
      more[#more + 1] = 1
    end
    if status == 'saved' and size > 0 then
      more[#more + 1] = 'bytes'
      more[#more + 1] = size
    end
    for _, item in ipairs(more) do
      deltas[#deltas + 1] = item
    end
    tally(more)
  end
  count(deltas[1], 1)
  call('XADD', P .. 'out', next_seq(), 'i', id, 'k', one.k, 'n', one.n, 'a', one.a, 'c', kind, 'd', one.d, 's', state,
    't', pack(deltas), unpack(fields))
  S.out = S.out + 1
  S.done[kind] = S.done[kind] + 1
  S.done.bytes = S.done.bytes + (status == 'saved' and size or 0)
  if kind ~= 'i' and CFG.shards > 1 and before then
    call('ZADD', P .. 'recent', now, pack({id, one.n, one.k, one.d, one.v, one.b, one.h, kind}))
    call('ZREMRANGEBYSCORE', P .. 'recent', '-inf', now - RECENT_S)
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
  if has(one.v, FLAG_KEPT) then
    state, status = 'done', 'failed'
  elseif has(one.v, FLAG_HAS_NEXT) then
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
      if charged and one.a >= CFG.max_attempts then
        keep_unvisited(id, one, 'l', 'dead', 'dead', 'lease-expired', {'dead', one.a})
      else
        one.a = one.a - (charged and 0 or 1)
        move(one.c, 'l', 'r')
        ready[#ready + 1] = id
      end
    end
  end
  to_ready(ready)
end

-- leasing

-- Up to `wanted` entries of tasks that wait, as {id, task}; what is settled by now is passed over.
local function pop(kind, name, wanted, budget)
  local lane, got, bytes = host(name), {}, 0
  -- what has failed already comes after the rest, which it may not slow down
  local lists = {{list_of(kind, name), 'LPOP', 'LPUSH'}, {list_of(kind, name, true), 'LPOP', 'LPUSH'}}
  if lane.limit == 1 and (lane.tries or 0) % 2 == 1 then -- from either end in turns
    lists[1] = {lists[1][1], 'RPOP', 'RPUSH'}
  end
  for _, list in ipairs(lists) do
    while #got < wanted do
      local entries = call(list[2], list[1], wanted - #got)
      if not entries or #entries == 0 then
        break
      end
      for at, entry in ipairs(entries) do
        local id, one
        if string.byte(entry) == 78 then -- N
          one = parsed(entry)
          one.s, one.n, one.a, one.h, one.c = 'r', 0, 0, name, kind
          id = next_id()
          tasks[id] = one
        else
          id = string.sub(entry, 2)
          one = task(id)
        end
        if one and one.s == 'r' then
          bytes = bytes + #one.b
          if #got > 0 and bytes > budget then -- more than one message should carry
            if string.byte(entry) == 78 then
              tasks[id] = nil
            end
            for back = #entries, at, -1 do
              call(list[3], list[1], entries[back])
            end
            return got, bytes
          end
          one.s = 'l'
          got[#got + 1] = {id, one}
        end
      end
    end
  end
  return got, bytes
end

local function lease_from(kind, id, me, share, budget)
  local name, wanted = share[1], share[2]
  local got, bytes = pop(kind, name, wanted, budget)
  for _ = #got + 1, wanted do
    local lane = touch(name)
    drop(me, name)
    lane[kind] = lane[kind] + 1
  end
  local leased = {}
  for _, item in ipairs(got) do
    local one = item[2]
    one.n, one.a, one.w, one.dirty = one.n + 1, one.a + 1, id, true
    me.held[item[1]] = floor(lease_now)
    move(kind, 'r', 'l')
    leased[#leased + 1] = {item[1], one.n, one.a, one.d, kind, one.b}
  end
  local lane = host(name)
  return {name, share[3], string.format('%.17g', spacing_s(name, lane)), leased}, bytes
end

-- as time goes by

local function wake_delayed()
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 1000)) do
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
  S.giving_up = now + GIVING_UP_EVERY_S
  local name = call('ZRANGE', P .. 'shut', 0, 0)[1]
  if not name then
    return
  end
  local lane, left = touch(name), GIVEN_UP_AT_ONCE
  local told = condition(name, lane)
  for _, kind in ipairs(KINDS) do
    local got = lane[kind] > 0 and pop(kind, name, min(left, lane[kind]), math.huge) or {}
    left = left - #got
    for _, item in ipairs(got) do
      local one = item[2]
      lane[kind] = lane[kind] - 1
      local seed = has(one.v, FLAG_SEED)
      keep_unvisited(item[1], one, 'r', 'done', 'failed', seed and told[5] or 'host-down', {'host-down', unpack(told)})
    end
  end
end

local function part_with_the_lost(asking)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'alive', '-inf', lease_now, 'LIMIT', 0, 100)) do
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
  for _, kind in ipairs(KINDS) do
    S.meter[kind] = S.meter[kind] or {}
    sample(S.meter[kind], S.done[kind])
  end
  S.meter.bytes = S.meter.bytes or {}
  sample(S.meter.bytes, S.done.bytes)
  place_all()
end

-- A reply, what there is to log, and what the clients want to know of all shards.
local function glance(reply)
  return {
    reply, notices, S.known.p, S.known.i, S.known.b, S.n.ir + S.n.id, unsettled(), pages_at_hand(),
  }
end

-- The end of every command that changes something: what is in tables is written, and whom it concerns is told.
local function finish(reply)
  write_pictures()
  write_hosts()
  write_workers()
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
      call('EXPIRE', P .. name, ENDED_S)
    end
    for _, kind in ipairs(KINDS) do
      call('EXPIRE', P .. 'hungry:' .. kind, ENDED_S)
      call('EXPIRE', P .. 'wait:' .. kind, ENDED_S)
    end
  end
  return glance(reply)
end
