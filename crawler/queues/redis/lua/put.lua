-- New tasks.
--
-- Arguments:
--   elsewhere  what other shards have, see read_elsewhere()
--   drops      pairs: what was left out, and how often
--   named      which images pages name, as clients pack it; '' for none
--   tasks      how many, then of each what add_tasks() reads
-- Returns how many were new.
--- include adding, finish

read_elsewhere()
local drops, named, tasks = read_pairs(), str(), num()
for _, drop in ipairs(drops) do
  drop_url(drop[1], drop[2])
end
say_named(named)
return finish(add_tasks(tasks))
