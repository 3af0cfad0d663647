-- Give a lease back, unless work came in meanwhile.
--
-- KEYS[1]  <tag>:lease | <tag>:deliver:lease   string  fencing token of the owner; expires
-- KEYS[2]  <tag>:inbox                         stream  (drain only) what must be empty
-- ARGV[1]  the owner's token
--
-- Returns -1 where the lease was lost, the inbox's length where it is not empty (the lease stays), else 0.
-- Promises: whoever appends after this returned 0 sees no lease, and so wakes a worker.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -1
end
if KEYS[2] then
  local waiting = redis.call('XLEN', KEYS[2])
  if waiting > 0 then
    return waiting
  end
end
redis.call('DEL', KEYS[1])
return 0
