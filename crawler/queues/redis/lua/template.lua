-- What is known of a template, as page_templates.py has packed it: clients decide, and tell keep_template what they had read.
--
-- Arguments:
--   host       of the template
--   names      so many, then of each:
--     name        by which something is kept
-- Returns {states, kept, now, has_renderer}: what is kept by these names ('' for nothing), how many are of the host, the
-- moment, and 1 if anybody renders.
--- include base

local host = str()
local kept_at, states = P .. 'templates:' .. host, {}
for at = 1, num() do
  local name = str()
  states[at] = call('HGET', kept_at, name) or ''
end
return glance({states, call('HLEN', kept_at), string.format('%.6f', now), S.has_renderer and 1 or 0})
