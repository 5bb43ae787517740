-- Tasks of crawl.db that are to be done (again). What is pending here is left as it is.
--
-- Arguments:
--   tasks      so many, then of each:
--     id          of the task; '' if it never had one
--     serial      of its last lease
--     kind        of the task
--     key         of its URL
--     name        of its host
--     depth       of its page
--     flags       see tasks.lua
--     text        with the mark of a size in front, if it has one
--     remark      of its URL, see read_note()
--     entry       that a task without an id is
--     old         what its last record counts for, packed; '' for none
-- Returns how many were.
--- include putting_back, host_health, finish

local pushed = 0
for _ = 1, num() do
  local id, serial, kind, key, name, depth, flags, text, remark, entry, old =
    str(), num(), str(), str(), str(), num(), num(), str(), str(), str(), str()
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
