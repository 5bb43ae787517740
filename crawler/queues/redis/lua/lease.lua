-- Give a worker tasks, or let it wait for some.
--
-- Arguments:
--   elsewhere  what other shards have, see read_elsewhere()
--   id         of the worker
--   kind       of its tasks
--   state      for people, packed
--   done       tasks that it has settled
--   count      tasks that it wants
--   slots      how many it can run at once here
--   wait_s     how long it may wait; '' for not at all
--   held       pairs: tasks that it holds, and their serials
-- Returns {batches, halted, alarm_s, used, cookie, paused}: what lease_from() returns of each host; why the crawl is halted, or
-- ''; in so many seconds it is to ask again, '' if it does not wait; slots that it uses here; the latest change of a
-- cookie; 1 if the crawl is paused.
--- include tick, finish

read_elsewhere()
local id, kind, state, done = str(), str(), str(), num()
local count, slots, wait_s, held = num(), num(), num_or_nil(), read_pairs()

local holding = {}
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
local alarm_s, batches = '', {}
if not me or halted then
  wait_no_more(id, kind, call('EXISTS', P .. 'due:' .. kind) == 1)
  halted = halted or 'this worker has left'
else
  tick(id)
  local held_back = paused or (kind ~= 'i' and backlogged()) or uncollected() or not meta[4]
  if not held_back then
    local budget = POLICY.REPLY_BYTES
    for _, share in ipairs(take(kind, id, me, min(count, CFG.lease_batch), slots)) do
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
    alarm_s = string.format('%.6f', (moment or now + wait_s) - now)
  end
end
local used = 0
for _, in_one in pairs(me and me.hand or {}) do
  used = used + in_hand(in_one)
end
return finish({batches, halted or '', alarm_s, used, string.format('%.0f', S.cookie), paused and 1 or 0})
