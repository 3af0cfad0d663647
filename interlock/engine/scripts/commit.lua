-- Apply a batch of Redis commands, all or none, for the owner of a lease.
--
-- KEYS[1]  <tag>:lease | <tag>:deliver:lease   string  fencing token of the owner; expires
-- KEYS[2]  <tag>:meta                          hash    the cursor stands in one of its fields
-- ARGV[1]  the owner's token
-- ARGV[2]  lifetime of the lease from now, milliseconds
-- ARGV[3]  field of the cursor, '' for none; ARGV[4] where it must stand ('' = unset); ARGV[5] where it moves
-- ARGV[6]  number of keys that must not exist yet, then those keys
-- then     operations until the end, each: number of words, words. A leading '?' makes one optional:
--          it is left out where its key holds another type, and may fail. '=LLEN' key n writes nothing:
--          the list must be that long.
--
-- Returns  'OK'                    everything is applied, the lease renewed
--          'LEASE'                 another owner, or none: nothing applied
--          'CURSOR'                the cursor stands elsewhere: nothing applied
--          {'TYPE', key, ...}      keys that hold a foreign type or length: nothing applied
--          {i, j, ...}             indexes (from 0) of keys that exist already: nothing applied
-- Promises: every check precedes every write, so that no reply but 'OK' leaves a trace.
local TYPES = {
  SET = 'string', ['=LLEN'] = 'list', RPUSH = 'list', XADD = 'stream', XTRIM = 'stream', ZADD = 'zset', ZREM = 'zset', ZREMRANGEBYRANK = 'zset',
  HSET = 'hash', HDEL = 'hash', HINCRBY = 'hash', LTRIM = 'list', LREM = 'list', LINSERT = 'list', LPUSH = 'list',
}

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'LEASE'
end
if ARGV[3] ~= '' and (redis.call('HGET', KEYS[2], ARGV[3]) or '') ~= ARGV[4] then
  return 'CURSOR'
end

local fresh = tonumber(ARGV[6])
local taken = {}
for i = 1, fresh do
  if redis.call('EXISTS', ARGV[6 + i]) == 1 then
    taken[#taken + 1] = i - 1
  end
end
if #taken > 0 then
  return taken
end

local start = 7 + fresh
local kinds = {}
local skipped = {}
local foreign = {'TYPE'}
local i = start
while i <= #ARGV do
  local words = tonumber(ARGV[i])
  local name, key = ARGV[i + 1], ARGV[i + 2]
  local optional = string.sub(name, 1, 1) == '?'
  if optional then
    name = string.sub(name, 2)
  end
  local wanted = TYPES[name]
  if wanted then
    local kind = kinds[key]
    if not kind then
      kind = redis.call('TYPE', key).ok
      kinds[key] = kind
    end
    if kind ~= wanted and kind ~= 'none' then
      if optional then
        skipped[i] = true
      else
        foreign[#foreign + 1] = key
      end
    elseif name == '=LLEN' then
      skipped[i] = true
      if redis.call('LLEN', key) ~= tonumber(ARGV[i + 3]) then
        foreign[#foreign + 1] = key
      end
    end
  end
  i = i + words + 1
end
if #foreign > 1 then
  return foreign
end

i = start
while i <= #ARGV do
  local words = tonumber(ARGV[i])
  if not skipped[i] then
    local name = ARGV[i + 1]
    if string.sub(name, 1, 1) == '?' then
      redis.pcall(string.sub(name, 2), unpack(ARGV, i + 2, i + words))
    else
      redis.call(name, unpack(ARGV, i + 2, i + words))
    end
  end
  i = i + words + 1
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'OK'
