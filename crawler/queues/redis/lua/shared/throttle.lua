-- How fast a host lets itself be asked: crawler/queues/throttle.py, whose words these are. What is known of a host is th in
-- its lane: b began, s since, n noted, u until, p pace_s, g grows_at, t growth_s, e rest_s, c given, k tries, r refusals,
-- w reason, l latest. The pace that was ordered last is pace.
--- include hosts

do
  local ANSWER = -1

  local function push(latest, one)
    latest[#latest + 1] = one
    if #latest > POLICY.LATEST_ANSWERS then
      table.remove(latest, 1)
    end
  end

  -- What the refusals among the latest answers asked for, the shortest first.
  local function asked_of(slow)
    local asked = {}
    for _, one in ipairs(slow.l) do
      if one >= 0 then
        asked[#asked + 1] = one
      end
    end
    table.sort(asked)
    return asked
  end

  local function median(asked)
    return asked[floor((#asked + 1) / 2)]
  end

  local function pace_of(slow)
    if slow.k > 0 then
      return slow.p
    end
    return slow.p * 2 ^ -(((now - slow.g) / slow.t) ^ 2)
  end

  local function pause_of(slow, asked_s)
    local doublings = min(slow.k - 1, 32)
    if asked_s <= POLICY.REFUSED_MOST_PAUSE_S then
      return max(asked_s, min(POLICY.REFUSED_MOST_PAUSE_S, POLICY.REFUSED_FIRST_PAUSE_S * 2 ^ doublings))
    end
    local asked = asked_of(slow)
    if #asked < POLICY.BELIEVED_REFUSALS or 2 * #asked <= #slow.l then
      return min(POLICY.REFUSED_MOST_PAUSE_S, POLICY.REFUSED_FIRST_LONG_PAUSE_S * 2 ^ doublings)
    end
    local most_s = max(POLICY.REFUSED_MOST_PAUSE_S, median(asked))
    local doubled = max(0, min(slow.k - POLICY.BELIEVED_REFUSALS, 32))
    return min(most_s, POLICY.REFUSED_MOST_PAUSE_S * 2 ^ doubled)
  end

  function throttle.forget(name)
    local lane = touch(name)
    if lane.th then
      call('ZREM', P .. 'slow', name)
    end
    lane.th, lane.pace = nil, nil
  end

  -- An answer of any kind but a refusal, to a request that began at that moment.
  function throttle.answered(name, began)
    local slow = host(name).th
    if not slow or began < slow.n or now < slow.u then
      return
    end
    local lane = touch(name)
    if slow.k > 0 then
      slow.k, slow.g, slow.e = 0, now, now - slow.s
    end
    slow.c = slow.c + 1
    push(slow.l, ANSWER)
    lane.pace = pace_of(slow)
    if lane.pace < POLICY.LEAST_PACE_S then
      throttle.forget(name)
    end
  end

  -- A refusal for so many seconds. Returns nothing, or, if the host is to be given up: how often in a row it has refused,
  -- since when, and for how long it was going to be left alone.
  function throttle.refused(name, asked_s, reason, began)
    local lane = touch(name)
    local slow, is_fresh = lane.th, true
    if slow then
      is_fresh = began >= slow.n and now >= slow.u
    else
      slow = {
        b = now, s = now, n = -1e18, u = -1e18, p = POLICY.FIRST_PACE_S, g = 0, t = POLICY.FIRST_GROWTH_S,
        e = 1e18, c = 0, k = 0, r = 0, l = {},
      }
      lane.th = slow
    end
    call('ZADD', P .. 'slow', now, name)
    slow.r, slow.w = slow.r + 1, reason
    if not is_fresh then
      return
    end
    if slow.c > 0 then
      local before_s, pace_s, allowed_s = slow.p, pace_of(slow), (now - slow.s) / (POLICY.PACE_SHARE * slow.c)
      if slow.c < POLICY.LEAST_GIVEN then
        allowed_s = min(allowed_s, POLICY.SLOWER_TIMES * pace_s)
      end
      slow.p = min(POLICY.MOST_PACE_S, max(POLICY.LEAST_PACE_S, max(pace_s, min(allowed_s, slow.e))))
      if before_s <= POLICY.ABOUT_TIMES * slow.p and slow.p <= POLICY.ABOUT_TIMES * before_s then
        slow.t = min(POLICY.MOST_GROWTH_S, 2 * slow.t)
      end
      slow.s, slow.c = now, 0
    end
    slow.k, slow.n = slow.k + 1, now
    push(slow.l, asked_s)
    local pause_s = pause_of(slow, asked_s)
    slow.u, lane.pace = now + pause_s, slow.p
    pause(name, pause_s)
    local least_s = max(POLICY.REFUSED_TIMES * CFG.host_patience_s, POLICY.REFUSED_ASKED_TIMES * median(asked_of(slow)))
    if slow.k >= POLICY.REFUSED_LEAST_TRIES and now - slow.s >= least_s then
      return slow.k, slow.s, POLICY.REFUSED_ASKED_TIMES * pause_s
    end
  end

  local function is_final(slow)
    if not slow or #asked_of(slow) <= 1 then
      return true
    end
    return slow.k > 0 and now - slow.s >= CFG.host_patience_s
  end

  -- Whether what a host has refused is to be tried again, though its attempts are used up.
  function throttle.is_let_off(name, attempts)
    local most = CFG.max_attempts
    local may_go_on = attempts >= most and attempts < POLICY.REFUSED_ATTEMPTS_TIMES * most
    return most > 1 and may_go_on and not is_final(host(name).th)
  end

  -- Of a host in no other trouble, as condition() has it.
  function throttle.condition(name, lane)
    local slow = lane.th
    if not slow then
      return {}
    end
    return {name, POLICY.SLOWED, slow.r, slow.k, slow.w, '', string.format('%.3f', now - slow.b), '0', 1}
  end

  function throttle.wake()
    for_each_too_many('slow', throttle.forget)
  end
end
