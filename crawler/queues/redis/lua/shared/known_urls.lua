-- The URLs that are known, in hashes that are small enough for servers to keep them packed.
--- include base

-- What is known of a key: its note or nil, and where it lies or would. When a bucket is full the next digit chooses among sixteen more.
local function known(key)
  local field, digits = string.sub(key, 2), string.format('%02x%02x%02x%02x', string.byte(key, 1, 4))
  for level = 1, 6 do
    local bucket = P .. 's' .. string.sub(digits, 1, 2 + level)
    local note = call('HGET', bucket, field)
    if note then
      return note, bucket, field
    end
    if level == 6 or call('HLEN', bucket) < POLICY.BUCKET_FIELDS then
      return nil, bucket, field
    end
  end
end
