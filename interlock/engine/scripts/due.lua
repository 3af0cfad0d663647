-- Move what is due from a sorted set into the partition's inbox.
--
-- KEYS[1]  <tag>:timers | <tag>:later   zset    members by due time
-- KEYS[2]  <tag>:inbox                  stream
-- KEYS[3]  <tag>:lease                  string  fencing token of the owner, if the partition has one
-- KEYS[4]  <tag>:wake                   string  a drain job is on its way; expires
-- ARGV[1]  now, Unix milliseconds
-- ARGV[2]  how many at the most
-- ARGV[3]  field of the inbox entry: `t` for timers, `c` for commands
-- ARGV[4]  lifetime of the wake marker, milliseconds
--
-- Returns {moved, wake}: wake is 1 where the caller must wake a worker.
-- Promises: a member is in the set or in the inbox, never in both, never in neither.
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(members) do
  redis.call('XADD', KEYS[2], '*', ARGV[3], member)
end
if #members == 0 then
  return {0, 0}
end
redis.call('ZREM', KEYS[1], unpack(members))
if redis.call('PTTL', KEYS[3]) > 0 or redis.call('PTTL', KEYS[4]) > 0 then
  return {#members, 0}
end
redis.call('SET', KEYS[4], '1', 'PX', ARGV[4])
return {#members, 1}
