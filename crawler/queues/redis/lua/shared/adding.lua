-- New tasks: which URLs are known, and which are too many (crawler/queues/adding.py).
--- include picture_sizes

local function limit_reached(kind)
  local most = kind == 'i' and CFG.max_images or CFG.max_pages
  if most > 0 and S.known[kind] + elsewhere[kind] >= most then
    return kind == 'i' and POLICY.MAX_IMAGES or POLICY.MAX_PAGES
  end
end

-- A URL that is known, once more: for each word that it had none of one entry goes to crawl.db, and no second.
local function found_again(kind, name, key, first, again, entry, bucket, field)
  local url, words = read_note(first)
  local other, more = read_note(again)
  more = more % (POLICY.NOTE_WORDS + 1)
  if url ~= other then
    drop_url(POLICY.SESSION_ID, 1, kind, name, entry)
  end
  local all = bit.bor(words, more)
  if all ~= words then
    call('HSET', bucket, field, url .. all)
    say_words(key, entry, all - words)
  end
end

-- Tasks as the clients pack them: kind, key, host, note, what keeps it out, entry. Returns how many were new.
local function add_tasks(amount)
  local new = 0
  for _ = 1, amount do
    local kind, key, name, remark, kept_out, entry = str(), str(), str(), str(), str(), str()
    local first, bucket, field = known(key)
    local flags = string.byte(entry, 21)
    local in_place = has(flags, POLICY.FLAG_NEXT_SIZE)
    local sized = CFG.largest_only and has(flags, POLICY.FLAG_SIZED) and parsed(entry)
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

-- Tell crawl.db which images pages name, where no record is there to say it.
local function say_named(named)
  if named ~= '' then
    call('XADD', P .. 'named', next_seq(), 'm', named)
  end
end

local function skip(amount)
  position = position + 6 * amount
end
