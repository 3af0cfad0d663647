-- Publish the outcome of a run, once, unless its state was left meanwhile.
--
-- KEYS[1]  <tag>:runs:due       zset    run ids by the time of their next attempt
-- KEYS[2]  <tag>:runs           hash    run id = the run's JSON
-- KEYS[3]  <tag>:runs:attempts  hash    run id = attempts begun
-- KEYS[4]  <prefix>:commands    stream  ingress
-- ARGV[1]  run id
-- ARGV[2]  the command that brings the outcome, JSON
--
-- Returns 1, or 0 where the run is settled or stopped already: nothing is published then.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[4], '*', 'command', ARGV[2])
return 1
