-- A worker is alive.
--
-- Arguments:
--   id         of the worker
--   kind       of its tasks
--   state      for people, packed
--   done       tasks that it has settled
--   held       pairs: tasks that it holds, and their serials
-- Returns {lost, alone, paused, halted}: which of `held` are not its own any more, from 0; hosts to leave alone; 1 if the
-- crawl is paused; why it is halted, or ''.
--- include tick, finish

local id, kind, state, done = str(), str(), str(), num()
local held = read_pairs()

tick(id)
local me = meet(id, kind, state, done)
local lost = {}
for at, token in ipairs(held) do
  if not is_holder(id, token[1], token[2]) then
    lost[#lost + 1] = at - 1
  end
end
local halted, paused = halted_now()
return finish({lost, turns.left_alone(me), paused and 1 or 0, halted or ''})
