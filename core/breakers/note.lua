-- Takes in one call that has ended, at the breaker of its model and at that of its schema, as one step for all processes.
-- KEYS: the breakers that are not closed, the windows of those that are, the mark of the last sweep.
-- ARGV: the call's age, the first and the longest pause, a slot, all in ms; how many slots make the window; how many
-- breakers there may be; how long in ms one that is open is remembered. Then for each breaker: its name, whether the
-- call says anything to it, the least number of calls, and twice the name of a fault, its rate, and whether it is there.
-- Answers nothing where all were closed and are; else the time, and for each breaker its state before and after, and
-- what is known of it.
local trips, windows, swept = KEYS[1], KEYS[2], KEYS[3]
local began = now - tonumber(ARGV[1])
local pause, longest, slot_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slots, most, forget = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local slot = math.floor(now / slot_ms)
local told, is_worth_telling = {now}, false

local function keep(name, trip)
  local raw = cjson.encode(trip)
  redis.call('HSET', trips, name, raw)
  redis.call('PEXPIRE', trips, forget)
  return raw
end

local function keep_window(name, window)
  redis.call('HSET', windows, name, cjson.encode(window))
  redis.call('PEXPIRE', windows, 2 * slots * slot_ms)
end

local function has_room()
  if redis.call('HLEN', trips) + redis.call('HLEN', windows) < most then return true end
  if now - tonumber(redis.call('GET', swept) or '0') >= slot_ms then
    redis.call('SET', swept, now, 'PX', slots * slot_ms)
    local all = redis.call('HGETALL', windows)
    for i = 1, #all, 2 do
      local kept = cjson.decode(all[i + 1]).slots
      if #kept == 0 or kept[#kept][1] <= slot - slots then redis.call('HDEL', windows, all[i]) end
    end
    all = redis.call('HGETALL', trips)
    for i = 1, #all, 2 do
      if cjson.decode(all[i + 1]).ends + forget < now then redis.call('HDEL', trips, all[i]) end
    end
  end
  return redis.call('HLEN', trips) + redis.call('HLEN', windows) < most
end

-- Counts a call at a breaker that is closed; returns what is known of it if that opened it.
local function count(name, least, faults)
  local raw = redis.call('HGET', windows, name)
  if not raw and not has_room() then return nil end
  local window = raw and cjson.decode(raw) or {since = 0, slots = {}}
  if began < window.since then return nil end  -- it hung through the outage
  local kept = {}
  for _, one in ipairs(window.slots) do
    if one[1] > slot - slots then kept[#kept + 1] = one end
  end
  if #kept == 0 or kept[#kept][1] ~= slot then kept[#kept + 1] = {slot, 0, 0, 0} end
  local newest = kept[#kept]
  newest[2] = newest[2] + 1
  for place, fault in ipairs(faults) do
    if fault.is_there then newest[2 + place] = newest[2 + place] + 1 end
  end
  local ended, counts = 0, {0, 0}
  for _, one in ipairs(kept) do
    ended, counts[1], counts[2] = ended + one[2], counts[1] + one[3], counts[2] + one[4]
  end
  if ended >= least then
    for place, fault in ipairs(faults) do
      if fault.is_there and counts[place] / ended >= fault.rate then
        redis.call('HDEL', windows, name)
        return keep(name, {
          state = 'open', since = now, changed = now, ends = now + pause, probe = 0, failed = 0,
          fault = fault.name, count = counts[place], ended = ended,
        })
      end
    end
  end
  keep_window(name, {since = window.since, slots = kept})
  return nil
end

for i = 8, #ARGV, 9 do
  local name, is_telling = ARGV[i], ARGV[i + 1] == '1'
  local faults, is_bad = {}, false
  for at = i + 3, i + 6, 3 do
    if ARGV[at] ~= '' then
      faults[#faults + 1] = {name = ARGV[at], rate = tonumber(ARGV[at + 1]), is_there = ARGV[at + 2] == '1'}
      is_bad = is_bad or ARGV[at + 2] == '1'
    end
  end
  local raw = redis.call('HGET', trips, name)
  local before, after = 'closed', 'closed'
  if not raw then
    raw = is_telling and count(name, tonumber(ARGV[i + 2]), faults) or nil
    if raw then after = 'open' end
  else
    local trip = cjson.decode(raw)
    before, after = trip.state, trip.state
    if before == 'half-open' and began >= trip.changed then  -- a probe's end decides
      if not is_telling then
        trip.probe = 0
        raw = keep(name, trip)
      elseif is_bad then
        after = 'open'
        trip.state, trip.changed, trip.probe, trip.failed = 'open', now, 0, trip.failed + 1
        trip.ends = now + math.min(pause * 2 ^ math.min(trip.failed, 16), longest)
        raw = keep(name, trip)
      else
        after = 'closed'
        redis.call('HDEL', trips, name)
        keep_window(name, {since = now, slots = {}})
      end
    end
  end
  if raw then is_worth_telling = true end
  told[#told + 1] = before
  told[#told + 1] = after
  told[#told + 1] = raw or ''
end
if is_worth_telling then return told end
return nil
