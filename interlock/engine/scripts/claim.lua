-- Take one run of an invoked function that is due, for a while.
--
-- KEYS[1]  <tag>:runs:due       zset  run ids by the time of their next attempt
-- KEYS[2]  <tag>:runs           hash  run id = the run's JSON
-- KEYS[3]  <tag>:runs:attempts  hash  run id = attempts begun
-- ARGV[1]  now, Unix milliseconds
-- ARGV[2]  until when it is ours, Unix milliseconds: then somebody else may take it
--
-- Returns {run's JSON, this attempt's number}, or nothing where none is due.
-- Promises: each attempt is counted before it begins, so that one that kills its worker counts too.
while true do
  local id = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
  if not id then
    return false
  end
  local run = redis.call('HGET', KEYS[2], id)
  if run then
    redis.call('ZADD', KEYS[1], ARGV[2], id)
    return {run, redis.call('HINCRBY', KEYS[3], id, 1)}
  end
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[3], id)
end
