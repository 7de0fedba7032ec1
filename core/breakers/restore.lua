-- Takes in what a process knew by itself while this Redis was away, where nothing else is known here.
-- KEYS: the breakers that are not closed. ARGV: for how many ms one is remembered, then names, each followed by what is
-- known of it, its times as ms from now.
for i = 2, #ARGV, 2 do
  local trip = cjson.decode(ARGV[i + 1])
  for _, at in ipairs({'since', 'changed', 'ends', 'probe'}) do trip[at] = math.max(0, trip[at] + now) end
  redis.call('HSETNX', KEYS[1], ARGV[i], cjson.encode(trip))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return now
