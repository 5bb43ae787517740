-- Whether a host may be asked for something now; then it counts as asked.
--
-- Arguments:
--   id         of the task that asks
--   name       of the host
--   is_guest   whether it is a task of another host
-- Returns seconds to wait, 0 for none.
--- include turns, finish

local id, name, is_guest = str(), str(), bool()

turns.leave_late()
return finish(string.format('%.6f', turns.take(name, is_guest and id or nil)))
