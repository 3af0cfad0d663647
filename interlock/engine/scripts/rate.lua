-- Take attempts out of a webhook's rate: the generic cell rate algorithm.
--
-- KEYS[1]  <prefix>:webhook:<id>:rate  string  when its next attempt may begin at the earliest, Unix microseconds
-- ARGV[1]  now, Unix microseconds
-- ARGV[2]  microseconds from one attempt to the next
-- ARGV[3]  how many attempts may begin at once after a pause, at least 1
-- ARGV[4]  how many are wanted; below zero: so many that were taken are given back
--
-- Returns  {how many may begin, microseconds until one more may}
-- Promises: over any time, no more than ARGV[3] begin beyond one each ARGV[2].
local now, interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kind = redis.call('TYPE', KEYS[1]).ok
local free = kind == 'string' and tonumber(redis.call('GET', KEYS[1])) or 0
free = math.max(free or 0, now)
local ahead = now + (burst - 1) * interval
local granted = wanted
if wanted > 0 then
  granted = math.max(0, math.min(wanted, math.floor((ahead - free) / interval) + 1))
end
free = math.max(free + granted * interval, now)
if granted ~= 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1000)
end
return {granted, math.max(0, free - ahead)}
