-- One shard of a crawl's queue: its keys, its clock, and what every command begins with.
--
-- Each file of the folder above is a command, and one script: behind the files of this folder that it includes, and that
-- those include, all within frame.lua (see scripts.py). KEYS[1] is the prefix of all keys of the shard, in one hash tag,
-- so that they lie in one slot. ARGV: the id of the plan that the caller goes by ('' for any), the moment ('' for the
-- server's clock), the command, and its own arguments, one after the other.
--
-- What a command reads of these keys it keeps in tables and writes back at its end, in finish(); one that raises an error
-- does so before anything is written.
--
--   m          hash     id, plan, cfg (settings), st (the shard's state S), totals (of what crawl.db has), open,
--                       servers (that all shards were whole at), damaged (a key that could not be read)
--   c          hash     counters of what is settled and not collected yet, by name
--   x          hash     what was kept out, by reason
--   hosts      hash     host -> its lane and its health
--   tasks      hash     id -> a task that has been leased once and is not settled: ready again, delayed or leased
--   q:K:HOST   list     tasks that wait and have not been tried: N… (a whole task), or R… (the id of one of tasks)
--   r:K:HOST   list     tasks that wait to be tried again: R…
--   s…         hashes   known URLs, by the first digits of their keys: small enough for Redis to keep them packed
--   due:K      zset     hosts that have something of kind K to give, each at its turn
--   cool, off, delayed  zsets: hosts that are left alone, hosts that are down, tasks; by the moment of their end
--   doms       hash     host -> its registrable domain, as far as clients have told;   domains  hash, with how many
--                       requests are in flight to all of its hosts
--   blocked:DOMAIN, full     zset: hosts that wait for room in their domain, in turn;   set of such domains
--   guests     zset     requests that redirects have led to a host, by when they are forgotten: TASK HOST
--   templates:HOST hash  what rendering its pages brought, by template (see page_templates.py): clients read it and write it
--   files      hash     what hosts say in robots.txt and the like, or who is fetching it: HOST NAME;
--   filed      set      of these, which are not in crawl.db yet
--   load, runs, shut    zsets: hosts by what they have to do; by when they failed last; given up, with something waiting
--   slow       zset     hosts that have refused to be asked, by when they did last (see throttle.lua)
--   workers    hash     id -> what it says of itself and what it holds;   alive  zset, by the end of its leases
--   wait:K, hungry:K, gone    zsets of workers: who waits in a call, who got nothing, who has left
--   out        stream   records, oldest first
--   words      stream   what later pages say of known images: k key, w words
--   named      stream   which images pages name, before the records of these are there: m as clients pack it
--   left       stream   URLs that were left out: r reason, c kind, h host, b text as of a task; not all, see drop_url()
--   pictures   hash     sizes of pictures (see picture_sizes.lua);   held  zset, of those that wait for a larger one
--   ck, ck:seq, ck:DOMAIN     the crawl's cookies
--   missed     hash     KIND:REASON -> when, and for which URL, a task failed last for that
--   recent     zset     pages settled lately, read or rendered, of a queue in several parts
--   pushed     set      what has been put back while a lost queue is made anew
--
-- Kinds are p (page), i (image) and b (a page to be rendered, in a browser); a task's state is r (ready), d (delayed) or l (leased).

local P, PLAN, MOMENT, COMMAND = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local pack, unpacked = cmsgpack.pack, cmsgpack.unpack
local function call(...)
  last_key = select(2, ...) or last_key
  return redis.call(...)
end
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local KINDS = {'p', 'i', 'b'}

-- The next argument. A command reads its own at its head, in the order in which its comment names them.
local position = 3
local function str()
  position = position + 1
  return ARGV[position]
end
local function num()
  return tonumber(str())
end
local num_or_nil = num -- '' stands for none, which is no number
local function bool()
  return str() == '1'
end
-- How many pairs there are, then these: of text and number.
local function read_pairs()
  local list = {}
  for at = 1, num() do
    list[at] = {str(), num()}
  end
  return list
end

local function size_of(set)
  local size = 0
  for _ in pairs(set or {}) do
    size = size + 1
  end
  return size
end

local meta = call('HMGET', P .. 'm', 'id', 'cfg', 'st', 'open', 'ended')
local exists = meta[1] and true or false
if not exists and COMMAND == 'ended' then
  return 0
end
if not exists and COMMAND ~= 'create' then
  return redis.error_reply('NOCRAWL there is no such crawl')
end
if PLAN ~= '' and exists and PLAN ~= meta[1] then
  return redis.error_reply('REPLACED ' .. meta[1])
end
local CFG = exists and unpacked(meta[2]) or {}
local function new_state()
  return {
    life = 0, real = 0, id = 0, seq = 0, turn = 0, cookie = 0, out = 0,
    n = {pr = 0, pd = 0, pl = 0, ir = 0, id = 0, il = 0, br = 0, bd = 0, bl = 0}, -- unsettled tasks by kind and state
    known = {p = 0, i = 0, b = 0}, fellows = {p = 0, i = 0, b = 0}, news = {p = 0, i = 0, b = 0},
    done = {p = 0, i = 0, b = 0, bytes = 0}, giving_up = 0, meter = {}, words = 0, left = 0, held = 0, in_waiting = 0,
  }
end
local S = exists and unpacked(meta[3]) or new_state()

local server_time = call('TIME')
local micros = server_time[1] * 1000000 + server_time[2]
local real = micros / 1000000
if MOMENT ~= '' then
  S.life = tonumber(MOMENT)
elseif S.real > 0 and real > S.real then -- after an outage no lease has run out
  local passed = min(real - S.real, POLICY.STANDSTILL_S)
  S.life = S.life + passed
  if exists then
    S.behind = (S.behind or 0) + max(0, passed - CFG.lease_s * POLICY.LEASE_STANDSTILL)
  end
end
S.real = real
local now = S.life
local lease_now = now - (S.behind or 0) -- deadlines are on this clock, and nothing else
S.started = S.started or now

-- Numbers that go on growing even if the server has lost its last seconds, for they follow its clock.
local function next_id()
  S.id = max(S.id + 1, micros)
  return string.format('%.0f', S.id)
end
local function next_seq()
  S.seq = max(S.seq + 1, micros)
  return string.format('%.0f-0', S.seq)
end

-- what a part has in tables, and writes at the end of a command; see finish.lua
local writers = {}

local counts = {} -- name -> by how much
-- Counters and by how much, one after the other: what a record counts for, or with `sign` -1 no longer does.
local function tally(deltas, sign)
  for at = 1, #deltas, 2 do
    counts[deltas[at]] = (counts[deltas[at]] or 0) + sign * deltas[at + 1]
  end
end

local notices = {} -- for the caller's log
local opened = {} -- kinds that a worker who waits may get more of now
local wake_all = false

-- what other shards have (see Shards.elsewhere): for limits that hold for all of them together
local elsewhere = {p = 0, i = 0, b = 0, waiting = 0, pages = 0, is_read = CFG.shards == 1}
local function read_elsewhere()
  elsewhere.p, elsewhere.i, elsewhere.b, elsewhere.waiting, elsewhere.pages = num(), num(), num(), num(), num()
  elsewhere.is_read = true
end

local function backlogged()
  return S.n.ir + S.n.id + elsewhere.waiting >= CFG.image_backlog
end
-- Pages that are read or rendered now, or could be: those that may yet name images.
local function pages_at_hand()
  return S.n.pr + S.n.pl + S.n.br + S.n.bl
end
-- Since when there are none, here or elsewhere; what other shards have said is up to a second old.
local function is_quiet()
  if pages_at_hand() > 0 or elsewhere.pages > 0 then
    S.quiet = nil
    return false
  end
  if not elsewhere.is_read then
    return false
  end
  S.quiet = S.quiet or now
  return CFG.shards == 1 or now - S.quiet >= POLICY.QUIET_S
end

-- How many sizes need wait no longer: all, if no page may name larger ones; else what is over half of what may wait.
local function releasable()
  if S.held == 0 then
    return 0
  end
  local kept = is_quiet() and 0 or floor(CFG.image_backlog / 2)
  return min(max(0, S.held - kept), POLICY.RELEASED_AT_ONCE)
end

-- What is left to do. One more as long as the queue is being made anew, for nobody is to go home meanwhile.
local function unsettled()
  if meta[5] then
    return 0
  end
  local left = meta[4] and 0 or 1
  for _, amount in pairs(S.n) do
    left = left + amount
  end
  return left
end
local function drained()
  return unsettled() == 0
end

-- Why the crawl is halted, who has paused it, and 1 if somebody has stopped it; each is false if not.
local function halted_now()
  return unpack(call('HMGET', P .. 'm', 'halted', 'paused', 'stopped'))
end

-- Whether there is more for crawl.db than may wait for it.
local function uncollected()
  return max(S.out, S.words) >= CFG.result_backlog
end

-- A reply, what there is to log, and what the clients want to know of all shards.
local function glance(reply)
  return {
    reply, notices, S.known.p, S.known.i, S.known.b, S.n.ir + S.n.id, unsettled(), pages_at_hand(),
  }
end
