-- What visits tell of hosts of this shard, of tasks of another one.
--
-- Arguments:
--   visits     so many, then of each:
--     name        of the host
--     what        the visit tells of it, see note() in host_health.lua
--     why         nothing came of it; '' if something did
--     detail      of the reason
--     elapsed_s   that the visit took
--     refused_s   so long the host has refused to be asked; '' if it has not
--     again       whether an earlier attempt had failed
--     seed        whether the task is one
-- Returns 1.
--- include host_health, finish

for _ = 1, num() do
  local name, what, why, detail, elapsed_s, refused_s, again, seed =
    str(), str(), str(), str(), num(), num_or_nil(), bool(), bool()
  if is_known(name) then
    note(name, what, why, detail, elapsed_s, again, seed, refused_s)
  end
end
return finish(1)
