-- Takes every probe that must be taken for one call to go out, or none.
-- KEYS: the breakers that are not closed. ARGV: after how many ms a probe is given up for lost, for how many ms an open
-- breaker is remembered, then the names of the breakers on the call's way.
-- Answers the time, whether the call may go out, and for each name what is known of it then, or nothing if it is closed.
local trips, told, found = KEYS[1], {now, 1}, {}
for i = 3, #ARGV do
  local raw = redis.call('HGET', trips, ARGV[i])
  local trip = raw and cjson.decode(raw)
  if trip then
    local ends = trip.probe
    if trip.state == 'open' then ends = trip.ends end
    if now < ends then told[2] = 0 end
  end
  found[i], told[i] = trip, raw or ''
end
if told[2] == 0 then return told end
for i = 3, #ARGV do
  local trip = found[i]
  if trip then
    if trip.state == 'open' then trip.changed = now end
    trip.state, trip.probe = 'half-open', now + tonumber(ARGV[1])
    told[i] = cjson.encode(trip)
    redis.call('HSET', trips, ARGV[i], told[i])
    redis.call('PEXPIRE', trips, ARGV[2])
  end
end
return told
