-- Tasks whose records are still here, back into the queue; these go.
--
-- Arguments:
--   tasks      so many, then of each:
--     entry       of its record
--     id          of the task
--     serial      of its last lease
--     kind        of the task
--     key         of its URL
--     name        of its host
--     depth       of its page
--     flags       see tasks.lua
--     text        with the mark of a size in front, if it has one
--     is_down     whether the host had been given up
-- Returns how many were.
--- include records, putting_back, host_health, finish

local done = 0
for _ = 1, num() do
  local entry, id, serial, kind, key, name, depth, flags, text, is_down =
    str(), str(), num(), str(), str(), str(), num(), num(), str(), bool()
  if not task(id) and take_out(entry) then
    put_back(id, serial, kind, key, name, depth, flags, text)
    if is_down then -- somebody wants it to be asked all the same
      forget_run(name)
      throttle.forget(name)
    end
    done = done + 1
  end
end
return finish(done)
