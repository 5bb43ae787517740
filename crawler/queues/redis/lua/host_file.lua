-- What a host says in a file such as robots.txt; who is told nothing is to fetch it, or waits for who does.
--
-- Arguments:
--   id         of the worker
--   name       of the host
--   file       its name
-- Returns the file and for how long it still counts; or '' and 0 for who is to fetch it, '' and how long to wait else.
--- include turns, workers, finish

local id, name, file = str(), str(), str()

local field = name .. ' ' .. file
local blob = call('HGET', P .. 'files', field)
local kept = blob and unpacked(blob) or {}
if kept.b then
  local left_s = min(kept.real + kept.s - real, kept.now + kept.s - now, kept.s)
  if left_s > 0 then
    return glance({kept.b, string.format('%.6f', left_s)})
  end
end
if kept.w and kept.w ~= id and kept.until_s > now and worker(kept.w) then
  return glance({'', string.format('%.6f', min(POLICY.ASK_AGAIN_S, kept.until_s - now))})
end
call('HSET', P .. 'files', field, pack({w = id, until_s = now + POLICY.CLAIM_S}))
return finish({'', '0'})
