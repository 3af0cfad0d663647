-- Take a lease, unless it is held.
--
-- KEYS[1]  <tag>:lease | <tag>:deliver:lease   string  fencing token of the owner; expires
-- KEYS[2]  <tag>:meta                          hash    `token`: the last fencing token given out
-- ARGV[1]  lifetime of the lease, milliseconds
--
-- Returns the new fencing token (> 0), or 0 where another holds the lease.
-- Promises: a token is given out once; a later owner's token is greater.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local token = redis.call('HINCRBY', KEYS[2], 'token', 1)
redis.call('SET', KEYS[1], token, 'PX', ARGV[1])
return token
