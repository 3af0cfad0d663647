-- Hold a lease for longer.
--
-- KEYS[1]  <tag>:lease | <tag>:deliver:lease   string  fencing token of the owner; expires
-- ARGV[1]  the owner's token
-- ARGV[2]  lifetime from now, milliseconds
--
-- Returns 1, or 0 where the lease was lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
