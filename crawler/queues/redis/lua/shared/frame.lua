-- Others may have overwritten what a shard's keys hold. Then a command says which key that was, in place of an error of
-- this script's own, and leaves a note for who keeps the crawl's file: that one makes the queue anew.

local last_key = ''
local function run()
--COMMAND--
end

local done, said = pcall(run)
if done then
  return said
end
local text = type(said) == 'table' and said.err or tostring(said)
-- what another try may get over, or is about nobody's data
for _, word in ipairs({
  'OOM', 'MISCONF', 'NOREPLICAS', 'READONLY', 'MASTERDOWN', 'TRYAGAIN', 'CLUSTERDOWN', 'CROSSSLOT', 'NOPERM', 'ACL',
  'command not allowed', 'nknown',
}) do
  local at = string.find(text, word, 1, true)
  if at then
    return type(said) == 'table' and said or redis.error_reply(string.sub(text, at))
  end
end
pcall(redis.call, 'HSET', KEYS[1] .. 'm', 'damaged', last_key)
return redis.error_reply('DAMAGED ' .. last_key .. ' ' .. string.gsub(text, '[\r\n]', ' '))
