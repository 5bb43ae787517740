-- Which hosts are in trouble, and which are given up: crawler/queues/host_health.py, whose words these are.
--- include throttle

-- a function has 200 locals at the most, and this script is one: the others are known within here only
local forget_run, condition, note, is_hopeless, wake_health
do
  local RUN = {
    'since', 'failures', 'tries', 'noted', 'pauses', 'ends', 'limit', 'lost', 'lost_tries', 'nameless', 'cool_offs',
    'reason', 'detail', 'off', 'broken', 'broken_since',
  }

  -- the latest moment at which something was so of any host but one
  local function note_latest(which, name)
    local latest = S[which] or {}
    if latest.host ~= name then
      latest.others, latest.host = latest.at, name
    end
    latest.at = now
    S[which] = latest
  end
  local function latest_but(which, name)
    local latest = S[which] or {}
    if latest.host == name then
      return latest.others or -1e18
    end
    return latest.at or -1e18
  end

  -- It responds, whatever it says.
  local function note_contact(name)
    note_latest('reached', name)
    S.cut_off = nil
  end

  -- Leave it alone for a while, and then ask for one URL at a time.
  local function back_off(name, lane)
    local pause_s = min(POLICY.MOST_PAUSE_S, POLICY.FIRST_PAUSE_S * 2 ^ min(lane.pauses - 1, 32))
    lane.noted, lane.ends, lane.limit = now, now + pause_s, 1
    pause(name, pause_s)
  end

  function forget_run(name)
    local lane = touch(name)
    if lane.failures then
      call('ZREM', P .. 'runs', name)
    end
    if lane.off then
      call('ZREM', P .. 'off', name)
    end
    for _, field in ipairs(RUN) do
      lane[field] = nil
    end
  end

  local function begin_run(lane)
    lane.since, lane.failures, lane.tries, lane.pauses = now, 0, 0, 0
    lane.ends, lane.lost, lane.lost_tries = -1e18, nil, 0
    lane.nameless, lane.cool_offs, lane.broken = 0, 0, 0
  end

  local function answered(name)
    note_contact(name)
    local lane = touch(name)
    lane.ok = now -- forgotten with the lane, which is there as long as anything that began before is under way
    if not lane.failures then
      return
    end
    local limit = lane.limit and max(1, 2 * lane.limit)
    if limit and limit < CFG.per_host then
      begin_run(lane)
      lane.limit = limit
    else
      forget_run(name)
    end
  end

  local function look_at_contact(name, lane, what)
    if what == 't' then
      note_contact(name)
      if lane.cool_offs > 0 and lane.lost then -- given up as out of reach, and there it is
        begin_run(lane)
        lane.failures = 1
      end
      lane.lost, lane.lost_tries, lane.nameless = nil, 0, 0
      return
    end
    note_latest('unreached', name)
    lane.lost = lane.lost or now
    lane.nameless = what == 'x' and lane.nameless + 1 or 0
  end

  local function is_lost(name, lane)
    if not lane.lost then
      return lane.tries >= POLICY.LEAST_TRIES and now - lane.since >= POLICY.BUSY_TIMES * CFG.host_patience_s
    end
    if lane.cool_offs > 0 then
      return true
    end
    local nameless = lane.nameless >= POLICY.IN_A_ROW
    local doubt = latest_but('reached', name) < lane.lost and lane.lost <= latest_but('unreached', name)
    if doubt and lane.lost_tries >= POLICY.LEAST_TRIES then
      S.cut_off = true
    end
    if nameless and not doubt then
      return true
    end
    local patience_s = CFG.host_patience_s * (doubt and not nameless and POLICY.DOUBT_TIMES or 1)
    return lane.lost_tries >= POLICY.LEAST_TRIES and now - lane.lost >= patience_s
  end

  -- How it is with a host in trouble, for people: what HostReport in host_report.py is made of.
  function condition(name, lane)
    local broken = lane.broken or 0
    return {
      name,
      lane.cool_offs > 0 and POLICY.DOWN or lane.pauses > 0 and POLICY.BACKING_OFF
        or broken > 0 and POLICY.ONLY_ERRORS or POLICY.RECOVERING,
      lane.failures > 0 and lane.failures or broken,
      lane.tries, lane.reason or '', lane.detail or '',
      string.format('%.3f', now - (broken > 0 and lane.failures == 0 and lane.broken_since or lane.since)),
      string.format('%.3f', max(0, lane.ends - now)), lane.lost and 0 or 1,
    }
  end

  -- Whether a failure is its URL's trouble, and tells nothing of the host.
  local function is_its_own(lane, what, began, again)
    if what ~= 't' or lane.limit == 0 then
      return false
    end
    return (lane.ok or -1e18) > began or again and (lane.pauses or 0) == 0
  end

  local function is_broken(name, lane, reason, detail)
    note_contact(name)
    local share = max(1, floor(CFG.per_host / POLICY.BROKEN_SHARE))
    lane.reason, lane.detail = reason, detail
    if lane.limit == 0 or lane.cool_offs > 0 then -- given up, and there it is
      begin_run(lane)
      lane.limit = 0
    end
    lane.broken_since = (lane.broken or 0) > 0 and lane.broken_since or now
    lane.broken = (lane.broken or 0) + 1
    lane.lost, lane.lost_tries, lane.nameless = nil, 0, 0
    if lane.pauses > 1 then -- it has been in worse trouble, and gets out of it step by step
      if now < lane.ends then
        return
      end
      lane.pauses = lane.pauses - 1
      return back_off(name, lane)
    end
    lane.failures, lane.tries, lane.pauses = 0, 0, 0
    if lane.limit then
      lane.limit = min(share, max(1, 2 * lane.limit))
    elseif lane.broken >= POLICY.IN_A_ROW then
      lane.limit = share
    end
  end

  -- It has had nothing to say but that it is broken for so long that no URL is worth another attempt.
  function is_hopeless(name)
    local lane = host(name)
    return (lane.broken or 0) >= POLICY.LEAST_TRIES and now - lane.broken_since >= CFG.host_patience_s
  end

  local function give_up(name, lane, least_s)
    lane.ends = now + max(least_s, min(POLICY.MOST_COOL_OFF_S, POLICY.COOL_OFF_S * 2 ^ min(lane.cool_offs, 32)))
    lane.cool_offs = lane.cool_offs + 1
    lane.limit, lane.off = 0, true
    call('ZADD', P .. 'off', lane.ends, name)
    local told = condition(name, lane)
    table.insert(told, 1, 'down')
    notices[#notices + 1] = told
  end

  -- It has refused all that was asked of it since that moment, at so many tries.
  local function give_up_refusing(name, reason, detail, tries, since, least_s)
    local lane = touch(name)
    call('ZADD', P .. 'runs', now, name)
    begin_run(lane)
    lane.since, lane.failures, lane.tries, lane.noted = since, tries, tries, now
    lane.reason, lane.detail = reason, detail
    give_up(name, lane, least_s)
  end

  local function failed(name, what, reason, detail, began, again)
    local lane = touch(name)
    local is_new = not lane.failures
    if is_its_own(lane, what, began, again) then
      note_contact(name)
      if not is_new then
        call('ZADD', P .. 'runs', now, name)
      end
      return
    end
    if is_new then
      begin_run(lane)
      lane.noted = -1e18
    end
    call('ZADD', P .. 'runs', now, name)
    if what == 'b' then
      return is_broken(name, lane, reason, detail)
    end
    lane.broken = 0
    if lane.failures == 0 then
      lane.since = now
    end
    lane.failures = lane.failures + 1
    if lane.limit == 0 then
      return -- it is known to be down
    end
    lane.reason, lane.detail = reason, detail
    look_at_contact(name, lane, what)
    local fresh = began >= lane.noted and now >= lane.ends
    if fresh then
      lane.tries = lane.tries + 1
      lane.lost_tries = lane.lost_tries + (lane.lost and 1 or 0)
      lane.noted = now
    end
    if (fresh or lane.nameless >= POLICY.IN_A_ROW) and is_lost(name, lane) then
      return give_up(name, lane, 0)
    end
    if lane.failures < POLICY.IN_A_ROW or not (fresh or lane.pauses == 0) then
      return
    end
    if not (again and lane.pauses > 0 and what == 't') then
      lane.pauses = lane.pauses + 1
    end
    back_off(name, lane)
  end

  -- One visit's evidence: n (nothing), a (an answer), b (broken), t (trouble), u (unreached), x (no such host).
  -- With refused_s it was a refusal, for so many seconds.
  function note(name, what, reason, detail, elapsed_s, again, is_seed, refused_s)
    local was_cut_off = S.cut_off
    if refused_s then
      what = 'a' -- it is there
    elseif what == 'a' or what == 'b' then
      throttle.answered(name, now - elapsed_s)
    end
    if what == 'a' then
      answered(name)
    elseif what ~= 'n' and not is_seed then -- who has mistyped a seed waits for the answer, and there are few
      failed(name, what, reason, detail, now - elapsed_s, again)
    end
    if refused_s then
      local tries, since, least_s = throttle.refused(name, refused_s, reason, now - elapsed_s)
      if tries then
        give_up_refusing(name, reason, detail, tries, since, least_s)
      end
    end
    if S.cut_off and not was_cut_off then
      notices[#notices + 1] = {'cut-off'}
    end
  end

  -- Hosts that were down, and may be asked once more; and of those in trouble only so many are known.
  function wake_health()
    for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'off', '-inf', now, 'LIMIT', 0, POLICY.GIVEN_BACK_AT_ONCE)) do
      local lane = touch(name)
      call('ZREM', P .. 'off', name)
      lane.off = nil
      if lane.limit == 0 then
        lane.limit, lane.noted = 1, now
      end
    end
    throttle.wake()
    for_each_too_many('runs', forget_run)
  end
end
