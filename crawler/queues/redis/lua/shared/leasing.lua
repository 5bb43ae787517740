-- Tasks that wait, out of their lists and into the hands of a worker.
--- include sharing, workers, tasks

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
