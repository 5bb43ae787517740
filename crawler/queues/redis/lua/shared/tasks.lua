-- What a task is as it lies here, in which state, and what is said of it.
--
-- A task that waits and has never been leased is one entry of its host's list: N, its key (16 bytes), its depth (3), its
-- flags (1), for a size what picture_sizes.lua says, and its text, which only the clients read. With the first lease it gets an
-- id, and a place in tasks, until it is settled: k key, b text, d depth, v flags, s state, n serial, a attempts, h host,
-- c kind, w worker, o old record, p picture, x size, y why it is to be tried again (reason and HTTP status).
--- include hosts

local function list_of(kind, name, tried)
  return P .. (tried and 'r:' or 'q:') .. kind .. ':' .. name
end

local function has(flags, flag)
  return floor(flags / flag) % 2 == 1
end

-- Behind the flags of an entry: of a size p, its picture, and x, its size; and the text.
local function with_text(one, body)
  if has(one.v, POLICY.FLAG_SIZED) then
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
local function move(kind, before, after)
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
local function line_up(kind, name, entry)
  call('RPUSH', list_of(kind, name), entry)
  local lane = touch(name)
  lane[kind] = lane[kind] + 1
  move(kind, nil, 'r')
end

-- Count what is left out; of a URL, whose entry this is, tell crawl.db: as much as it keeps (see left_out.py), and
-- none that is very long.
local function drop_url(reason, by, kind, name, entry)
  local most = POLICY.MOST_LEFT_OUT / CFG.shards
  local amount, left = call('HINCRBY', P .. 'x', reason, by or 1), S.left or 0
  if entry and #entry <= POLICY.MOST_LEFT_OUT_BYTES and (left < most or amount <= POLICY.MOST_LEFT_OUT_OF_EACH) then
    call('XADD', P .. 'left', next_seq(), 'r', reason, 'c', kind, 'h', name, 'b', parsed(entry).b)
    S.left = left + 1
  end
end

-- What tells a URL from others of its key ('' or 4 bytes), and which words it has (bits of crawler/models/image_words.py).
local function read_note(remark)
  if #remark < 4 then
    return '', tonumber(remark) or 0
  end
  return string.sub(remark, 1, 4), tonumber(string.sub(remark, 5)) or 0
end

-- Tell crawl.db what `entry` has of the words of these bits.
local function say_words(key, entry, bits)
  local said, told, some = unpacked(parsed(entry).b), {}, false
  for at, bit_of in ipairs({1, 2, 4, 8, 8}) do -- alt, title, caption, heading, page_title: see _Text in codec.py
    told[at] = has(bits, bit_of) and said[at + 3] or ''
    some = some or told[at] ~= ''
  end
  if some then
    call('XADD', P .. 'words', next_seq(), 'k', key, 'w', pack(told))
    S.words = S.words + 1
  end
end
