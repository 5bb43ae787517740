-- Sizes of one picture that different pages name: the largest is taken, and the others wait until it is had. This is
-- crawler/queues/picture_sizes.py, whose words these are.
--
-- The entry of a URL with the mark of a size has its picture's key (16) and its size in hundredths of a pixel (3) behind its
-- flags. All sizes of a picture are of one host, and so of one shard.
--
--   pictures   hash     a picture's key -> {how many of its sizes are tried, the largest that is saved, the one that is
--                       held, those behind}; these two are {size, entry, host}
--   held       zset     keys of pictures of which one is held, the oldest first
-- What became of an original is in its note, as bits beside those of its words.
--- include tasks, known_urls

local pictures, changed = {}, {}
local function picture(key)
  local one = pictures[key]
  if not one then
    local blob = call('HGET', P .. 'pictures', key)
    local kept = blob and unpacked(blob) or {0, 0}
    one = {tried = kept[1], saved = kept[2], held = kept[3] or nil, behind = kept[4] or {}, is_known = blob and true}
    pictures[key] = one
  end
  return one
end
local function change(key)
  local one = picture(key)
  one.is_known = true
  changed[key] = one
  return one
end
writers[#writers + 1] = function()
  for key, one in pairs(changed) do
    call('HSET', P .. 'pictures', key, pack({one.tried, one.saved, one.held or false, one.behind}))
  end
end

local function set_outcome(key, outcome)
  local note, bucket, field = known(key)
  local url, bits = read_note(note or '')
  if note and bits < POLICY.NOTE_MARKED then
    bits = bits % (POLICY.NOTE_WORDS + 1) + outcome
    call('HSET', bucket, field, url .. (bits > 0 and bits or ''))
  end
end

-- Whether one of the picture is tried, the largest that is saved, and whether any of it is known.
local function family(key)
  local one, tried, saved = picture(key), false, 0
  local note = known(key)
  if note then
    local _, bits = read_note(note)
    if bits >= POLICY.NOTE_MARKED then
      note = nil -- what has no marks is no original here, but one more size
    elseif has(bits, POLICY.NOTE_SAVED) then
      saved = math.huge
    elseif not has(bits, POLICY.NOTE_FAILED) then
      tried = true
    end
  end
  return tried or one.tried > 0, max(saved, one.saved), one.is_known or (note and true)
end

local function leave_out(amount)
  if amount > 0 then
    drop_url(POLICY.SMALLER_SIZE, amount)
  end
end

local function put_behind(one, size)
  local behind = one.behind
  behind[#behind + 1] = size
  S.in_waiting = S.in_waiting + 1
  if #behind > POLICY.MAX_BEHIND then
    local smallest = 1
    for at = 2, #behind do
      if behind[at][1] <= behind[smallest][1] then
        smallest = at
      end
    end
    table.remove(behind, smallest)
    S.in_waiting = S.in_waiting - 1
    leave_out(1)
  end
end

local function leave_out_no_larger(one, saved)
  local larger = {}
  for _, size in ipairs(one.behind) do
    if size[1] > saved then
      larger[#larger + 1] = size
    end
  end
  local gone = #one.behind - #larger
  one.behind = larger
  S.in_waiting = S.in_waiting - gone
  leave_out(gone)
end

local function hold(key, one, size)
  one.held = size
  S.held = S.held + 1
  S.known.i = S.known.i + 1
  S.turn = S.turn + 1
  call('ZADD', P .. 'held', S.turn, key)
  move('i', nil, 'd')
end
-- The size that was held, which is no task any more.
local function taken_back(key, one)
  local size = one.held
  one.held = nil
  S.held = S.held - 1
  S.known.i = S.known.i - 1
  call('ZREM', P .. 'held', key)
  move('i', 'd', nil)
  return size
end
local function try(one, size)
  one.tried = one.tried + 1
  S.known.i = S.known.i + 1
  line_up('i', size[3], size[2])
end

-- One that nobody knew, of a picture; false if it is left out.
local function take_on(key, size, in_place)
  local one = change(key)
  if in_place then
    try(one, size)
    return true
  end
  local tried, saved = family(key)
  if one.held and size[1] > one.held[1] then
    -- it takes over its place in the row
    size, one.held = one.held, size
    put_behind(one, size)
  elseif one.held or tried then
    put_behind(one, size)
  elseif size[1] <= saved then
    leave_out(1)
    return false
  else
    hold(key, one, size)
  end
  return true
end

-- One that waits is to take another one's place: `size` has where that was.
local function try_at_once(key, size)
  local one, of_task = change(key), string.sub(size[2], 2, 17)
  if one.held and string.sub(one.held[2], 2, 17) == of_task then
    say_words(of_task, taken_back(key, one)[2], POLICY.NOTE_WORDS)
    try(one, size)
    return
  end
  for at, other in ipairs(one.behind) do
    if string.sub(other[2], 2, 17) == of_task then
      say_words(of_task, table.remove(one.behind, at)[2], POLICY.NOTE_WORDS)
      S.in_waiting = S.in_waiting - 1
      try(one, size)
      return
    end
  end
end

local function release(most)
  for _, key in ipairs(call('ZRANGE', P .. 'held', 0, most - 1)) do
    local one = change(key)
    local tried, saved = family(key)
    local size = taken_back(key, one)
    if tried then
      put_behind(one, size)
    elseif size[1] <= saved then
      leave_out(1)
      leave_out_no_larger(one, saved)
    else
      try(one, size)
    end
  end
end

-- A task of an image is settled for good. Returns the URL of the size that is taken on in its place, or nil. With
-- `has_next` one is, of another picture as far as URLs tell.
local function size_settled(task, is_saved, has_next)
  local key = task.p or task.k
  if task.p then
    local one = change(key)
    one.tried = max(0, one.tried - 1)
    one.saved = max(one.saved, is_saved and task.x or 0)
  else
    set_outcome(key, is_saved and POLICY.NOTE_SAVED or POLICY.NOTE_FAILED)
  end
  local one = S.in_waiting > 0 and picture(key)
  if not one or #one.behind == 0 then
    return nil
  end
  local tried, saved = family(key)
  if one.held or tried then
    return nil
  end
  change(key)
  leave_out_no_larger(one, saved)
  local largest
  for at, size in ipairs(one.behind) do
    if not largest or size[1] > one.behind[largest][1] then
      largest = at
    end
  end
  if not largest then
    return nil
  end
  local size = table.remove(one.behind, largest)
  S.in_waiting = S.in_waiting - 1
  if is_saved or has_next then
    hold(key, one, size)
    return nil
  end
  try(one, size)
  return size
end

-- A task that had been settled, or came from crawl.db, is tried (again).
local function tried_again(task)
  if task.p then
    local one = change(task.p)
    one.tried = one.tried + 1
  elseif task.c == 'i' then
    set_outcome(task.k, 0)
  end
end
