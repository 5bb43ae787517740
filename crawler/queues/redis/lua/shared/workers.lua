-- Workers, what they hold and until when; and the tasks that have an id.
--- include base

local workers, tasks = {}, {}

-- One of the hash `key`, or false; read once.
local function remembered(read, key, id)
  local one = read[id]
  if one == nil then
    local blob = call('HGET', P .. key, id)
    one = blob and unpacked(blob) or false
    read[id] = one
  end
  return one
end
local function worker(id)
  return remembered(workers, 'workers', id)
end
local function task(id)
  return remembered(tasks, 'tasks', id)
end

local function forget_task(id)
  call('HDEL', P .. 'tasks', id)
  tasks[id] = false
end

-- A rate over the last 15 to 30 seconds: three points of a growing number are enough to know it.
local function sample(meter, value)
  if not meter.t then
    meter.t, meter.v, meter.t1, meter.v1 = now, value, now, value
  elseif now - meter.t1 >= POLICY.SAMPLE_S then
    meter.t, meter.v, meter.t1, meter.v1 = meter.t1, meter.v1, now, value
  end
  meter.t2, meter.v2 = now, value
end
-- The rate of a meter; false of one that has seen a single point.
local function rate(meter)
  return meter.t2 and meter.t2 > meter.t and string.format('%.6f', (meter.v2 - meter.v) / (meter.t2 - meter.t))
end

-- The worker that speaks: its id, kind, state (for people) and how much it has done. nil if it has left.
local function meet(id, kind, state, done)
  if call('ZSCORE', P .. 'gone', id) then
    return nil
  end
  local one = worker(id)
  if not one then
    one = {held = {}, hand = {}, kind = kind, deadline = 0, meter = {}}
    workers[id] = one
    S.fellows[kind] = S.fellows[kind] + 1
    S.has_renderer = S.has_renderer or kind == 'b'
  end
  one.state, one.seen, one.dirty = state, now, true
  one.deadline = max(one.deadline, lease_now + CFG.lease_s)
  sample(one.meter, done)
  return one
end

-- The ids of the tasks that a worker holds.
local function held_by(one)
  local ids = {}
  for id in pairs(one.held) do
    ids[#ids + 1] = id
  end
  return ids
end

local function part_with(id)
  local one = worker(id)
  if one then
    S.fellows[one.kind] = max(0, S.fellows[one.kind] - 1)
    call('HDEL', P .. 'workers', id)
    call('ZREM', P .. 'alive', id)
    for _, kind in ipairs(KINDS) do
      call('ZREM', P .. 'wait:' .. kind, id)
      call('ZREM', P .. 'hungry:' .. kind, id)
    end
    if S.watch == id then
      S.watch = nil
    end
    workers[id] = false
  end
  return one
end

-- Whether the lease of a task is the worker's.
local function is_holder(id, task_id, serial)
  local one = worker(id) and task(task_id)
  return one and one.s == 'l' and one.n == serial and one.w == id or false
end

local function write_workers()
  for id, one in pairs(workers) do
    if one and one.dirty then
      one.dirty = nil
      call('HSET', P .. 'workers', id, pack(one))
      call('ZADD', P .. 'alive', one.deadline, id)
    end
  end
  for id, one in pairs(tasks) do
    if one and one.dirty then
      one.dirty = nil
      call('HSET', P .. 'tasks', id, pack(one))
    end
  end
end
writers[#writers + 1] = write_workers
