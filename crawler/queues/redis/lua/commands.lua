-- What clients may ask of a shard: one block each. (As functions they would all be made anew with each call.)

local function read_pairs()
  local list = {}
  for at = 1, num() do
    list[at] = {arg(), num()}
  end
  return list
end

local function halted_now()
  local why = call('HMGET', P .. 'm', 'halted', 'paused', 'stopped')
  return why[1] or nil, why[2] and true or false, why[3] and true or false
end

-- Whether there is more for the catalogue than may wait for it.
local function uncollected()
  return max(S.out, S.words) >= CFG.result_backlog
end

-- Make the crawl, or bring its plan up to date. Args: id, cfg, plan, owner. Returns 1 while its queue is being made anew.
if COMMAND == 'found' then
  local id, cfg, plan, owner = arg(), arg(), arg(), arg()
  local was = call('HMGET', P .. 'm', 'owner', 'ended')
  if was[1] and was[1] ~= owner and not was[2] then
    return redis.error_reply('OWNED the name is taken by another crawl')
  end
  if was[2] then
    S = new_state()
    call('HDEL', P .. 'm', 'ended', 'totals', 'halted', 'paused', 'stopped')
    call('PERSIST', P .. 'm')
  end
  call('HSET', P .. 'm', 'id', id, 'cfg', pack(unpacked(cfg)), 'plan', plan, 'owner', owner, 'st', pack(S))
  return meta[4] and 0 or 1
end

-- Args: the servers of all shards, which are whole; '' if nobody wants to know.
if COMMAND == 'opened' then
  call('HSET', P .. 'm', 'open', 1, 'servers', arg())
  call('DEL', P .. 'pushed')
  return 1
end

-- All but these words is gone by now, or goes: whoever still asks shall hear that the crawl has ended.
if COMMAND == 'ended' then
  call('HDEL', P .. 'm', 'open', 'servers')
  call('HSET', P .. 'm', 'ended', 1)
  meta[5] = '1'
  call('EXPIRE', P .. 'm', ENDED_S)
  wake_all = true
  return finish(1)
end

if COMMAND == 'plan' then
  return call('HMGET', P .. 'm', 'id', 'plan', 'open')
end

if COMMAND == 'new_run' then
  call('HDEL', P .. 'm', 'halted', 'paused', 'stopped')
  S.started, S.has_renderer, wake_all = now, nil, true
  S.mean = {p = S.done.p, i = S.done.i, b = S.done.b, bytes = S.done.bytes} -- what was there before
  return finish(1)
end

if COMMAND == 'put' then
  read_elsewhere()
  local drops = num()
  for _ = 1, drops do
    drop_url(arg(), num())
  end
  return finish(intake(num()))
end

-- Args: elsewhere, worker (id, kind, state, done), count, slots, wait_s ('' for not at all), held.
if COMMAND == 'lease' then
  read_elsewhere()
  local id, kind, state, done = arg(), arg(), arg(), num()
  local wanted, slots, wait_s = num(), num(), opt()
  local held, holding = read_pairs(), {}
  local me = meet(id, kind, state, done)
  if me then
    for _, token in ipairs(held) do
      holding[token[1]] = true
    end
    local lost = {} -- a reply did not arrive: the worker is believed
    for task_id in pairs(me.held) do
      if not holding[task_id] then
        lost[#lost + 1] = task_id
      end
    end
    give_back(lost, false)
  end
  local halted, paused = halted_now()
  local alarm, batches = '', {}
  if not me or halted then
    wait_no_more(id, kind, call('EXISTS', P .. 'due:' .. kind) == 1)
    halted = halted or 'this worker has left'
  else
    tick(id)
    local held_back = paused or (kind ~= 'i' and backlogged()) or uncollected() or not meta[4]
    if not held_back then
      local budget = REPLY_BYTES
      for _, share in ipairs(take(kind, id, me, min(wanted, CFG.lease_batch), slots)) do
        local batch, bytes = lease_from(kind, id, me, share, budget)
        budget = budget - bytes
        if #batch[4] > 0 then
          batches[#batches + 1] = batch
        end
      end
    end
    place_all()
    local more = not held_back and call('EXISTS', P .. 'due:' .. kind) == 1
    me.dirty = true
    -- one of several shards may be given something by the others
    if #batches > 0 or not wait_s or wait_s <= 0 or (CFG.shards == 1 and drained()) then
      me.deadline = lease_now + CFG.lease_s
      wait_no_more(id, kind, more)
    else
      -- a lease must not run out while its worker waits here
      me.deadline = max(me.deadline, lease_now + wait_s + CFG.lease_s)
      write_workers()
      if more then
        pass_on(kind)
      end
      local moment = wait_on(id, kind, now + wait_s)
      alarm = string.format('%.6f', (moment or now + wait_s) - now)
    end
  end
  local used = 0
  for _, in_one in pairs(me and me.hand or {}) do
    used = used + in_hand(in_one)
  end
  return finish({batches, halted or '', alarm, used, string.format('%.0f', S.cookie)})
end

-- The worker has got something of another shard meanwhile. Args: id kind.
if COMMAND == 'wait_no_more' then
  local id, kind = arg(), arg()
  wait_no_more(id, kind, call('EXISTS', P .. 'due:' .. kind) == 1)
  return finish(1)
end

-- Args: worker, held. Returns what is lost (by its place among held), hosts to leave alone, paused, halted.
if COMMAND == 'heartbeat' then
  local id, kind, state, done = arg(), arg(), arg(), num()
  local held = read_pairs()
  tick(id)
  local me = meet(id, kind, state, done)
  local lost = {}
  for at, token in ipairs(held) do
    if not is_holder(id, token[1], token[2]) then
      lost[#lost + 1] = at - 1
    end
  end
  local halted, paused = halted_now()
  return finish({lost, turns.left_alone(me), paused and 1 or 0, halted or ''})
end

if COMMAND == 'release' then
  local id, kind, state, done = arg(), arg(), arg(), num()
  meet(id, kind, state, done)
  local mine = {}
  for _, token in ipairs(read_pairs()) do
    if is_holder(id, token[1], token[2]) then
      mine[#mine + 1] = token[1]
    end
  end
  give_back(mine, false)
  return finish(1)
end

if COMMAND == 'leave' then
  local id, charged = arg(), arg() == '1'
  call('ZADD', P .. 'gone', micros, id)
  call('ZREMRANGEBYRANK', P .. 'gone', 0, -10001)
  local one = worker(id)
  if one then
    give_back(held_by(one), charged)
  end
  for _, kind in ipairs(KINDS) do
    if call('ZREM', P .. 'wait:' .. kind, id) == 1 then
      ring(id)
    end
  end
  part_with(id)
  wake_all = true -- there is more for the others
  return finish(1)
end

-- Args: elsewhere, drops, results: id serial kind key flags retry pause delay what reason http detail elapsed refused
-- host again seed status reason size record, drops, drops once it is kept, tasks. Flags: u untouched, n another size takes its place, x refused, as the
-- detail says. Host, where the visit ended: '' for the task's own, '-' for one of another shard, '!' if that tells
-- nothing, else its name.
if COMMAND == 'settle' then
  read_elsewhere()
  local results = {}
  for at = 1, num() do
    local r = {
      id = arg(), serial = num(), kind = arg(), key = arg(), flags = arg(), retry_s = opt(),
      pause_s = opt(), delay_s = opt(), what = arg(), why = arg(), http = num(), detail = arg(), elapsed_s = num(), refused_s = opt(),
      host = arg(), again = arg() == '1', seed = arg() == '1', status = arg(), reason = arg(), size = num(), record = arg(),
      drops = read_pairs(), left_out = read_pairs(),
    }
    r.found = num()
    r.tasks_at = position
    skip(r.found)
    r.untouched, r.has_next = r.flags == 'u', r.flags == 'n'
    results[at] = r
  end
  local untouched, refused, speaking = {}, {}, {}
  for _, r in ipairs(results) do
    local one = task(r.id)
    local leased = one and one.s == 'l'
    if leased and one.w then
      speaking[one.w] = true
    end
    local goes_back = r.untouched or r.retry_s
    local is_current = leased and one.n == r.serial
    local is_right = one and r.flags ~= 'x' and one.c == r.kind and one.k == r.key
    if is_current and not is_right then
      refused[#refused + 1] = {r.id, r.flags == 'x' and r.detail or 'it is about another task'}
    elseif is_right and r.serial <= one.n and (is_current or not goes_back) then
      local name, before, is_let_off, is_noted = one.h, one.s, false, false
      if r.refused_s and r.retry_s and one.a >= CFG.max_attempts and r.host == '' and not (r.untouched or r.seed) then
        note(name, r.what, r.why, r.detail, r.elapsed_s, r.again, r.seed, r.refused_s)
        is_noted, is_let_off = true, throttle.is_let_off(name, one.a)
      end
      position = r.tasks_at
      if is_let_off and one.c == 'i' then -- what is to take its place is not needed yet
        skip(r.found)
      else
        intake(r.found) -- before its page is settled: the queue is never drained in between
      end
      for _, item in ipairs(r.drops) do
        drop_url(item[1], item[2])
      end
      if r.delay_s then
        turns.set_delay(name, r.delay_s)
      end
      if r.pause_s then
        pause(name, r.pause_s)
      end
      if r.untouched and r.retry_s then -- it was not its turn, and will not be for so long
        let_go(r.id, one)
        one.s, one.a, one.dirty, one.y = 'd', one.a - 1, true, nil
        call('ZADD', P .. 'delayed', now + r.retry_s, r.id)
        move(one.c, 'l', 'd')
      elseif r.untouched then
        untouched[#untouched + 1] = r.id
      else
        if r.host == '' and not is_noted then
          note(name, r.what, r.why, r.detail, r.elapsed_s, r.again, r.seed, r.refused_s)
        elseif r.host ~= '' and r.host ~= '!' then -- a redirect led elsewhere
          note(name, 'a', '', '', r.elapsed_s)
          if r.host ~= '-' and is_known(r.host) then
            note(r.host, r.what, r.why, r.detail, r.elapsed_s, r.again, r.seed, r.refused_s)
          end
        end
        if leased then
          let_go(r.id, one)
        elseif before == 'r' then
          local lane = touch(name)
          lane[one.c] = lane[one.c] - 1
        else
          call('ZREM', P .. 'delayed', r.id)
        end
        if r.retry_s and (one.a < CFG.max_attempts or is_let_off) and not (r.what == 'b' and is_hopeless(name)) then
          one.s, one.dirty, one.y = 'd', true, {r.why, r.http}
          call('ZADD', P .. 'delayed', now + r.retry_s, r.id)
          move(one.c, 'l', 'd')
        else
          for _, item in ipairs(r.left_out) do
            drop_url(item[1], item[2])
          end
          keep(r.id, one, before, 'done', r.status, r.reason, r.size, {'r', r.record}, r.has_next)
        end
      end
    end
  end
  give_back(untouched, false)
  for _, item in ipairs(refused) do -- what a worker says of these can't be right: an attempt of which nothing came
    local id, one = item[1], task(item[1])
    if one and one.s == 'l' then
      let_go(id, one)
      if one.a >= CFG.max_attempts then
        keep_unvisited(id, one, 'l', 'done', 'failed', 'internal-error', {'refused', item[2]})
      else
        one.s, one.dirty, one.y = 'd', true, {'internal-error', 0}
        call('ZADD', P .. 'delayed', now + 2 * 2 ^ (one.a - 1), id) -- REFUSED_S
        move(one.c, 'l', 'd')
      end
    end
  end
  local alone = {}
  for id in pairs(speaking) do
    for _, name in ipairs(turns.left_alone(worker(id))) do
      alone[#alone + 1] = name
    end
  end
  return finish(alone)
end

-- Args: task, host, whether it is a guest there. Returns seconds to wait, 0 for none.
if COMMAND == 'turn' then
  local one, name, is_guest = arg(), arg(), arg() == '1'
  turns.leave_late()
  return finish(string.format('%.6f', turns.take(name, is_guest and one or nil)))
end

-- When so much may be received, as in bandwidth.py. Args: bytes, of these in a second, burst, horizon, in seconds.
if COMMAND == 'receive' then
  local count, rate, burst_s, horizon_s = num(), num(), num(), num()
  local begins = math.max(S.received or 0, now - burst_s)
  local wait_s = math.max(0, begins - now)
  if wait_s <= horizon_s then
    S.received = begins + count / rate
  end
  return finish(string.format('%.6f', wait_s))
end

-- Which hosts are of one owner. Args: host, its registrable domain.
if COMMAND == 'domains' then
  for _ = 1, num() do
    domains.join(arg(), arg())
  end
  return finish(1)
end

-- Args: host, seconds since the request was sent.
if COMMAND == 'turn_taken' then
  turns.taken(arg(), num())
  return finish(1)
end

-- Args: task, host, what the task is called here ('' if it is another shard's).
if COMMAND == 'turn_over' then
  local id, name, number = arg(), arg(), arg()
  local one = number ~= '' and task(number)
  if one and one.s == 'l' and one.h == name then
    turns.go_away(name, number)
  end
  turns.over(name, id)
  return finish(1)
end

-- What a host says in a file. Args: worker, host, name, how long one has to fetch it. Returns the file and how long it
-- still counts; or '' and 0 for who is to fetch it, or how long to wait.
if COMMAND == 'host_file' then
  local id, name, file, claim_s = arg(), arg(), arg(), num()
  local field = name .. ' ' .. file
  local blob = call('HGET', P .. 'files', field)
  local kept = blob and unpacked(blob) or {}
  if kept.b then
    local left_s = min(kept.real + kept.s - real, kept.now + kept.s - now, kept.s)
    if left_s > 0 then
      return glance({kept.b, string.format('%.6f', left_s)})
    end
  end
  if kept.w and kept.w ~= id and kept.until_s > now and worker(kept.w) then
    return glance({'', string.format('%.6f', min(turns.ASK_AGAIN_S, kept.until_s - now))})
  end
  call('HSET', P .. 'files', field, pack({w = id, until_s = now + claim_s}))
  return finish({'', '0'})
end

-- Files that the catalogue has not got yet: HOST NAME, the file, how long it still counts. Args: how many.
if COMMAND == 'filed' then
  local some = {}
  for _, field in ipairs(call('SRANDMEMBER', P .. 'filed', num())) do
    local blob = call('HGET', P .. 'files', field)
    local kept = blob and unpacked(blob) or {}
    if kept.b then
      some[#some + 1] = {field, kept.b, string.format('%.6f', kept.real + kept.s - real)}
    else
      call('SREM', P .. 'filed', field)
    end
  end
  return glance(some)
end
if COMMAND == 'forget_filed' then
  for _ = 1, num() do
    call('SREM', P .. 'filed', arg())
  end
  return glance(1)
end

-- Args: worker ('' for the catalogue), host, name, seconds that it counts, the file, what it asks for between two
-- requests ('' for nothing said). Only who was told to fetch it is believed.
if COMMAND == 'keep_host_file' then
  local id, name, file, kept_s, blob, delay_s = arg(), arg(), arg(), num(), arg(), opt()
  local known = call('HGET', P .. 'files', name .. ' ' .. file)
  known = known and unpacked(known) or {}
  local counts = known.b and min(known.real + known.s - real, known.now + known.s - now) > 0
  local is_anothers = known.w and known.w ~= id and known.until_s > now and worker(known.w)
  if id ~= '' and (counts or is_anothers) then
    return finish(0)
  end
  call('HSET', P .. 'files', name .. ' ' .. file, pack({b = blob, s = kept_s, real = real, now = now}))
  call('SADD', P .. 'filed', name .. ' ' .. file)
  if delay_s then
    turns.set_delay(name, delay_s, id ~= '')
  end
  return finish(1)
end

-- What is known of a template, as templates.py has packed it: clients decide, and say what they had read. Args: host,
-- names. Returns what is kept by these ('' for nothing), how many of the host are kept, the moment, and whether anybody
-- renders.
if COMMAND == 'template' then
  local kept_at, states = P .. 'templates:' .. arg(), {}
  for at = 1, num() do
    states[at] = call('HGET', kept_at, arg()) or ''
  end
  return glance({states, call('HLEN', kept_at), string.format('%.6f', now), S.has_renderer and 1 or 0})
end

-- Args: host, then by name what was read ('' for nothing) and what it is now. Returns 0 if somebody else has changed
-- any of it meanwhile, and then nothing is kept.
if COMMAND == 'keep_template' then
  local kept_at, words = P .. 'templates:' .. arg(), {}
  for _ = 1, num() do
    local name, before, state = arg(), arg(), arg()
    if (call('HGET', kept_at, name) or '') ~= before then
      return glance(0)
    end
    words[#words + 1] = name
    words[#words + 1] = state
  end
  if not meta[5] then -- else the crawl has ended, and nobody would remove it
    call('HSET', kept_at, unpack(words))
  end
  return glance(1)
end

-- What a visit tells of a host of another shard than its task's.
if COMMAND == 'note' then
  for _ = 1, num() do
    local name, what, why, detail, elapsed_s, refused_s, again, seed =
      arg(), arg(), arg(), arg(), num(), opt(), arg(), arg()
    if is_known(name) then
      note(name, what, why, detail, elapsed_s, again == '1', seed == '1', refused_s)
    end
  end
  return finish(1)
end

local function is_tally(deltas)
  if type(deltas) ~= 'table' or #deltas % 2 ~= 0 then
    return false
  end
  for at = 1, #deltas, 2 do
    local by = deltas[at + 1]
    if type(deltas[at]) ~= 'string' or type(by) ~= 'number' or not (by > -2 ^ 52 and by < 2 ^ 52) then
      return false
    end
  end
  return true
end

-- Remove a record, and what it counts for; returns whether it was there.
local function take_out(entry)
  local there = call('XRANGE', P .. 'out', entry, entry)[1]
  if not there then
    return false
  end
  local is_ours = false
  for at = 1, #there[2], 2 do
    if there[2][at] == 't' then
      local legible, deltas = pcall(unpacked, there[2][at + 1])
      is_ours = legible and is_tally(deltas)
      if is_ours then
        untally(deltas)
      end
    elseif there[2][at] == 'o' then
      S.n.il = max(0, S.n.il - 1)
    end
  end
  call('XDEL', P .. 'out', entry)
  if is_ours then -- else somebody else has put it there
    S.out = max(0, S.out - 1)
  end
  return true
end

local function put_back(id, serial, kind, key, name, depth, flags, text, old)
  tasks[id] = with_text({
    k = key, d = depth, v = flags, s = 'r', n = serial, a = 0, h = name, c = kind, dirty = true, o = old,
  }, text)
  line_up(kind, name, 'R' .. id)
  tried_again(tasks[id])
end

-- Whether a URL is known; it is from now on.
local function learn(kind, key, remark)
  local is_known, bucket, field = known(key)
  if not is_known then
    call('HSET', bucket, field, remark)
    S.known[kind] = S.known[kind] + 1
  end
  return is_known
end

-- Tasks whose records are still here, back into the queue; these go. Args: entry id serial kind key host depth flags
-- text, down (the host had been given up).
if COMMAND == 'requeue' then
  local done = 0
  for _ = 1, num() do
    local entry, id, serial, kind, key, name, depth, flags, text, down =
      arg(), arg(), num(), arg(), arg(), arg(), num(), num(), arg(), arg()
    if not task(id) and take_out(entry) then
      put_back(id, serial, kind, key, name, depth, flags, text)
      if down == '1' then -- somebody wants it to be asked all the same
        forget_run(name)
        throttle.forget(name)
      end
      done = done + 1
    end
  end
  return finish(done)
end

-- Tasks of the catalogue that are to be done (again). Args: id ('' if it never had one) serial kind key host depth
-- flags text note entry old. What is pending here is left as it is.
if COMMAND == 'push' then
  local pushed = 0
  for _ = 1, num() do
    local id, serial, kind, key, name, depth, flags, text, remark, entry, old =
      arg(), num(), arg(), arg(), arg(), num(), num(), arg(), arg(), arg(), arg()
    local is_known = learn(kind, key, remark)
    if id ~= '' then
      if not task(id) then
        put_back(id, serial, kind, key, name, depth, flags, text, old ~= '' and unpacked(old) or nil)
        pushed = pushed + 1
      end
    elseif not is_known or (not meta[4] and call('SISMEMBER', P .. 'pushed', key) == 0) then
      line_up(kind, name, entry)
      local one = parsed(entry)
      one.c = kind
      tried_again(one)
      pushed = pushed + 1
    end
    if not meta[4] then
      call('SADD', P .. 'pushed', key)
    end
    if host(name).limit == 0 then -- somebody wants it to be asked all the same
      forget_run(name)
      throttle.forget(name)
    end
  end
  return finish(pushed)
end

-- A client could not read what lies at a key. Args: its name, without the prefix.
if COMMAND == 'damaged' then
  call('HSET', P .. 'm', 'damaged', P .. arg())
  return 1
end

-- Known, and settled. Args: kind key note.
if COMMAND == 'mark' then
  for _ = 1, num() do
    local kind, key, remark = arg(), arg(), arg()
    learn(kind, key, remark)
  end
  return finish(1)
end

-- Records that are in the catalogue, whose totals are these.
if COMMAND == 'forget' then
  local totals, was_full = arg(), uncollected()
  for _ = 1, num() do
    take_out(arg())
  end
  if totals ~= '' then
    call('HSET', P .. 'm', 'totals', totals)
  end
  if was_full and not uncollected() then
    wake_all = true
  end
  return finish(1)
end

if COMMAND == 'words' then
  return glance(call('XRANGE', P .. 'words', '-', '+', 'COUNT', num()))
end

-- Words that are in the catalogue.
if COMMAND == 'forget_words' then
  local was_full = uncollected()
  for _ = 1, num() do
    S.words = max(0, S.words - call('XDEL', P .. 'words', arg()))
  end
  if was_full and not uncollected() then
    wake_all = true
  end
  return finish(1)
end

-- What was left out, and that it is in the catalogue.
if COMMAND == 'left' then
  return glance(call('XRANGE', P .. 'left', '-', '+', 'COUNT', num()))
end
if COMMAND == 'forget_left' then
  for _ = 1, num() do
    call('XDEL', P .. 'left', arg())
  end
  return finish(1)
end

-- Pages that were settled lately, once more: another shard may have lost what they led to.
if COMMAND == 'recall' then
  local count_of = 0
  for _, member in ipairs(call('ZRANGE', P .. 'recent', 0, -1)) do
    local t = unpacked(member)
    if not task(t[1]) then
      put_back(t[1], t[2], t[8], t[3], t[7], t[4], t[5], t[6])
      count_of = count_of + 1
    end
  end
  call('DEL', P .. 'recent')
  return finish(count_of)
end

-- Args: what (halt, stop, pause, resume), reason.
if COMMAND == 'control' then
  local what, reason = arg(), arg()
  local m = P .. 'm'
  if what == 'halt' then
    call('HSETNX', m, 'halted', reason)
  elseif what == 'stop' then
    if call('HSETNX', m, 'halted', reason) == 1 then
      call('HSET', m, 'stopped', 1)
    end
  elseif what == 'pause' then
    call('HSET', m, 'paused', reason)
  else
    call('HDEL', m, 'paused')
  end
  if what ~= 'pause' then
    wake_all = true
  end
  return finish(1)
end

-- Cookies that a worker was sent. Args: domain path name deleted expires cookie.
if COMMAND == 'cookies' then
  local MOST, MOST_OF_A_DOMAIN = 3000, 50
  local function drop_one(member)
    local slot = unpacked(member)
    call('HDEL', P .. 'ck', member)
    call('ZREM', P .. 'ck:seq', member)
    call('ZREM', P .. 'ck:' .. slot[1], member)
  end
  local function trim(row, most)
    local over = call('ZCARD', row) - most
    if over <= 0 then
      return
    end
    local good = {}
    for _, member in ipairs(call('ZRANGE', row, 0, -1)) do -- what was taken back goes before what is good
      if over > 0 and unpacked(call('HGET', P .. 'ck', member))[2] == 1 then
        drop_one(member)
        over = over - 1
      else
        good[#good + 1] = member
      end
    end
    for at = 1, over do
      drop_one(good[at])
    end
  end
  for _ = 1, num() do
    local domain, path, name, deleted, expires_s, blob = arg(), arg(), arg(), num(), opt(), arg()
    local member = pack({domain, path, name})
    S.cookie = S.cookie + 1
    call('HSET', P .. 'ck', member, pack({blob, deleted, expires_s and string.format('%.6f', real + expires_s) or ''}))
    call('ZADD', P .. 'ck:seq', S.cookie, member)
    call('ZADD', P .. 'ck:' .. domain, S.cookie, member)
    call('SADD', P .. 'ck:domains', domain)
    trim(P .. 'ck:' .. domain, MOST_OF_A_DOMAIN)
    S.cookies = true
  end
  trim(P .. 'ck:seq', MOST)
  return finish(1)
end

-- The changes after the one with that number: cookie, taken back, seconds left; and how far they go.
if COMMAND == 'cookie_news' then
  local AT_ONCE = 100
  local rows = call('ZRANGEBYSCORE', P .. 'ck:seq', '(' .. arg(), '+inf', 'WITHSCORES', 'LIMIT', 0, AT_ONCE)
  local news, seen = {}, S.cookie
  for at = 1, #rows, 2 do
    local one = unpacked(call('HGET', P .. 'ck', rows[at]))
    news[#news + 1] = {one[1], one[2], one[3] == '' and '' or string.format('%.6f', one[3] - real)}
    if #rows == 2 * AT_ONCE then
      seen = tonumber(rows[at + 1])
    end
  end
  return {news, string.format('%.0f', seen)}
end

if COMMAND == 'records' then
  return glance(call('XRANGE', P .. 'out', arg(), '+', 'COUNT', num()))
end

if COMMAND == 'dropped' then
  return call('HGETALL', P .. 'x')
end

if COMMAND == 'control_state' then
  local halted, paused, stopped = halted_now()
  return {halted or '', paused and 1 or 0, stopped and 1 or 0}
end

if COMMAND == 'servers' then
  return call('HGET', P .. 'm', 'servers') or ''
end

if COMMAND == 'glance' then
  return glance(1)
end

local SHOWN_WORKERS, SHOWN_HOSTS, SHOWN_TROUBLED = 500, 50, 20

-- Args: whether hosts are wanted as well.
if COMMAND == 'stats' then
  local with_hosts = arg() == '1'
  tick()
  place_all()
  local found_workers = {}
  for _, id in ipairs(call('ZRANGE', P .. 'alive', 0, SHOWN_WORKERS - 1)) do
    local one = worker(id)
    if one then
      local held = 0
      for _ in pairs(one.held) do
        held = held + 1
      end
      found_workers[#found_workers + 1] = {
        one.state, held, string.format('%.6f', max(0, now - one.seen)), rate(one.meter),
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
    for _, name in ipairs(call('ZREVRANGE', P .. 'load', 0, SHOWN_HOSTS - 1)) do
      show(name)
    end
    local troubled = 0
    for _, name in ipairs(call('ZREVRANGE', P .. 'runs', 0, 200)) do
      if troubled < SHOWN_TROUBLED and not seen[name] and host(name).limit then
        troubled = troubled + 1
        show(name)
      end
    end
  end
  -- hosts that are not asked as fast as we could: of the first few that may be such, those with the most to do
  local function that_wait()
    local SHOWN_WAITING, LOOKED_AT, slow, waiting, is_seen = 5, 50, {}, {}, {}
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
    look('load', LOOKED_AT, 'ZREVRANGE')
    look('cool', LOOKED_AT, 'ZRANGE')
    look('runs', SHOWN_TROUBLED, 'ZREVRANGE')
    look('slow', SHOWN_TROUBLED, 'ZREVRANGE')
    table.sort(slow, function(one, other)
      return one[1] > other[1]
    end)
    for at = 1, min(#slow, SHOWN_WAITING) do
      waiting[at] = looks(slow[at][2], host(slow[at][2]))
    end
    return waiting
  end
  -- the next tasks that are tried again, one of each host, as retries.py has them
  local function next_retries()
    local SHOWN_RETRIES, LOOKED_AT, retries, is_seen = 5, 50, {}, {}
    local later = call('ZRANGE', P .. 'delayed', 0, LOOKED_AT - 1, 'WITHSCORES')
    for at = 1, #later, 2 do
      local one = #retries < SHOWN_RETRIES and task(later[at])
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
  local waiting, retries = that_wait(), next_retries()
  local halted, paused, stopped = halted_now()
  local paused_by = paused and call('HGET', P .. 'm', 'paused') or ''
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
    S.n.ir + S.n.id, CFG.image_backlog, paused_by,
  }
  return reply
end

if COMMAND == 'tick' then
  tick()
  return finish(1)
end

return redis.error_reply('ERR no such command: ' .. COMMAND)
