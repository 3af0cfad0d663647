-- Take a lease, unless it is held.
--
-- KEYS[1]  <tag>:lease | <tag>:deliver:lease   string  fencing token of the owner; expires
-- KEYS[2]  <tag>:meta                          hash    `token`: the last fencing token given out
-- KEYS[3]  <tag>:wake                          string  (drain only) a drain job is on its way: it has come
-- ARGV[1]  lifetime of the lease, milliseconds
--
-- Returns the new fencing token (> 0), or 0 where another holds the lease.
-- A lease without expiry is none of ours: it is taken over.
-- Promises: a token is given out once; a later owner's token is greater. The marker goes in either case:
--           were it left where another owner is at it, nobody would be woken for what comes after him.
if KEYS[3] then
  redis.call('DEL', KEYS[3])
end
if redis.call('PTTL', KEYS[1]) > 0 then
  return 0
end
local token = redis.call('HINCRBY', KEYS[2], 'token', 1)
redis.call('SET', KEYS[1], token, 'PX', ARGV[1])
return token
