-- What a host says in a file. Only who was told to fetch it is believed, and crawl.db.
--
-- Arguments:
--   id         of the worker; '' for crawl.db
--   name       of the host
--   file       its name
--   kept_s     how long it counts
--   blob       the file
--   delay_s    what it asks for between two requests; '' for nothing said
-- Returns 1, or 0 if it is not kept.
--- include turns, workers, finish

local id, name, file, kept_s, blob, delay_s = str(), str(), str(), num(), str(), num_or_nil()

local known = call('HGET', P .. 'files', name .. ' ' .. file)
known = known and unpacked(known) or {}
local counts = known.b and min(known.real + known.s - real, known.now + known.s - now) > 0
local is_anothers = known.w and known.w ~= id and known.until_s > now and worker(known.w)
if id ~= '' and (counts or is_anothers) then
  return finish(0)
end
call('HSET', P .. 'files', name .. ' ' .. file, pack({b = blob, s = kept_s, real = real, now = now}))
call('SADD', P .. 'filed', name .. ' ' .. file)
if delay_s then
  turns.set_delay(name, delay_s, id ~= '')
end
return finish(1)
