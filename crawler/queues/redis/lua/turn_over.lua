-- A task has got its answer from a host, where it was a guest or went away from.
--
-- Arguments:
--   id         of the task
--   name       of the host
--   number     that the task has here; '' if it is another shard's
-- Returns 1.
--- include turns, workers, finish

local id, name, number = str(), str(), str()

local one = number ~= '' and task(number)
if one and one.s == 'l' and one.h == name then
  turns.go_away(name, number)
end
turns.over(name, id)
return finish(1)
