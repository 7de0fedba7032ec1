-- Gives back the probes of a call of which nothing can be said.
-- KEYS: the breakers that are not closed. ARGV: the call's age in ms, then the names of the breakers on its way.
-- Answers the time, and for each name what is known of it then, or nothing if it is closed.
local trips, told = KEYS[1], {now}
for i = 2, #ARGV do
  local raw = redis.call('HGET', trips, ARGV[i])
  if raw then
    local trip = cjson.decode(raw)
    if trip.state == 'half-open' and now - tonumber(ARGV[1]) >= trip.changed then
      trip.probe = 0
      raw = cjson.encode(trip)
      redis.call('HSET', trips, ARGV[i], raw)
    end
  end
  told[i] = raw or ''
end
return told
