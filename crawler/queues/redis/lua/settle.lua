-- What came of tasks.
--
-- Arguments:
--   elsewhere  what other shards have, see read_elsewhere()
--   results    so many, then of each, as Judged in settling.py has them:
--     id          of the task
--     serial      of its lease
--     kind        that its record is of
--     key         that its record's URL has
--     flags       'u' untouched; 'n' another size takes its place; 'x' refused, as the detail says; or ''
--     retry_s     in so long it is to be tried again; '' for never
--     pause_s     so long its host is to be left alone; '' for none
--     delay_s     from one request to the next, as its host wants it; '' if that is not known
--     what        the visit tells of the host, see note() in host_health.lua
--     why         nothing came of it; '' if something did
--     http        status of the answer
--     detail      of the reason
--     elapsed_s   that the visit took
--     refused_s   so long the host has refused to be asked; '' if it has not
--     host        where the visit ended: '' for the task's own, '-' for one of another shard, '!' if that tells nothing,
--                 else its name
--     again       whether an earlier attempt had failed
--     seed        whether it is one
--     status      of the record
--     reason      of the record
--     size        of the file, in bytes
--     record      packed
--     drops       pairs: what the visit left out, and how often
--     left_out    the same, once the record is kept
--     named       which images its page names, as clients pack it; '' for none
--     found       how many tasks, then of each what add_tasks() reads
-- Returns hosts that the workers are to leave alone.
--- include host_health, adding, settling, finish

read_elsewhere()
local results = {}
for at = 1, num() do
  local r = {
    id = str(), serial = num(), kind = str(), key = str(), flags = str(), retry_s = num_or_nil(), pause_s = num_or_nil(),
    delay_s = num_or_nil(), what = str(), why = str(), http = num(), detail = str(), elapsed_s = num(),
    refused_s = num_or_nil(), host = str(), again = bool(), seed = bool(), status = str(), reason = str(), size = num(),
    record = str(), drops = read_pairs(), left_out = read_pairs(), named = str(), found = num(),
  }
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
      add_tasks(r.found) -- before its page is settled: the queue is never drained in between
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
      one.a = one.a - 1
      delay(r.id, one, r.retry_s)
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
        say_named(r.named)
        delay(r.id, one, r.retry_s, {r.why, r.http})
      else
        for _, item in ipairs(r.left_out) do
          drop_url(item[1], item[2])
        end
        local fields = {'r', r.record}
        if r.named ~= '' then
          fields[3], fields[4] = 'm', r.named
        end
        keep(r.id, one, before, 'done', r.status, r.reason, r.size, fields, r.has_next)
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
      keep_unvisited(id, one, 'l', 'done', 'failed', POLICY.INTERNAL_ERROR, {'refused', item[2]})
    else
      delay(id, one, POLICY.REFUSED_RESULT_S * 2 ^ (one.a - 1), {POLICY.INTERNAL_ERROR, 0})
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
