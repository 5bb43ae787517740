-- Tasks that come back, from crawl.db or from the stream of records; and URLs that only have to be known.
--- include picture_sizes, workers

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
