-- A worker gives tasks back that it has not begun.
--
-- Arguments:
--   id         of the worker
--   kind       of its tasks
--   state      for people, packed
--   done       tasks that it has settled
--   tokens     pairs: tasks, and their serials
-- Returns 1.
--- include settling, finish

local id, kind, state, done = str(), str(), str(), num()
local tokens = read_pairs()

meet(id, kind, state, done)
local mine = {}
for _, token in ipairs(tokens) do
  if is_holder(id, token[1], token[2]) then
    mine[#mine + 1] = token[1]
  end
end
give_back(mine, false)
return finish(1)
