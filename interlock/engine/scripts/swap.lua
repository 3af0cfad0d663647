-- Put a new value into a field of a hash, where it still holds what the caller has read.
--
-- KEYS[1]  <prefix>:listeners:<tenant>:<kind>:<id>  hash  `<client id>` = JSON of a session
-- ARGV[1]  field
-- ARGV[2]  value that it must hold; empty: there must be none
-- ARGV[3]  new value
-- ARGV[4]  lifetime of the hash from now, milliseconds
--
-- Returns 1 where it was put, else 0.
-- Promises: of two who have read the same value one puts theirs.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
