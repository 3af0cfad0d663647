-- Take commands of the ingress stream into a partition's inbox, each once.
--
-- KEYS[1]  <tag>:inbox      stream  `c` command, `x` `f` exclusive command, `r` refused at the door
-- KEYS[2]  <tag>:meta       hash    `ingress`: id of the last ingress entry taken in
-- KEYS[3]  <tag>:lease      string  fencing token of the owner, if the partition has one
-- KEYS[4]  <tag>:wake       string  a drain job is on its way; expires
-- KEYS[5]  <tag>:exclusive  hash    [machine, key, command] JSON = id of the exclusive command in the inbox
-- ARGV[1]  lifetime of the wake marker, milliseconds
-- then     triples: ingress id, field, payload; ids ascend. An exclusive command has the field `x` and two
--          words more: its slot in KEYS[5], its command id
--
-- Returns 1 where the caller must wake a worker, else 0.
-- Promises: an entry at or below `ingress` is left out, so that a pump that repeats what a crashed or
--           slower pump did neither doubles nor reorders anything.
--           An exclusive command goes in as `x` and takes its slot; while another holds the slot it goes in
--           as `f`; under the holder's own id, published again, as `c`.
local function after(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then
    return #a_ms > #b_ms or (#a_ms == #b_ms and a_ms > b_ms)
  end
  return #a_seq > #b_seq or (#a_seq == #b_seq and a_seq > b_seq)
end

local function claim(slot, id)
  local holder = redis.call('HGET', KEYS[5], slot)
  if holder then
    return holder == id and 'c' or 'f'
  end
  redis.call('HSET', KEYS[5], slot, id)
  return 'x'
end

-- Whatever held a slot has gone with its entry, even where somebody else emptied the inbox.
if redis.call('XLEN', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[5])
end

local mark = redis.call('HGET', KEYS[2], 'ingress') or '0-0'
local latest = mark
local i = 2
while i <= #ARGV do
  local field, words = ARGV[i + 1], 3
  if field == 'x' then
    words = 5
  end
  if after(ARGV[i], mark) then
    if field == 'x' then
      field = claim(ARGV[i + 3], ARGV[i + 4])
    end
    redis.call('XADD', KEYS[1], '*', field, ARGV[i + 2])
    latest = ARGV[i]
  end
  i = i + words
end
if latest ~= mark then
  redis.call('HSET', KEYS[2], 'ingress', latest)
end
-- A lease or marker without expiry is none of ours, and keeps nobody asleep.
if redis.call('PTTL', KEYS[3]) > 0 or redis.call('PTTL', KEYS[4]) > 0 then
  return 0
end
redis.call('SET', KEYS[4], '1', 'PX', ARGV[1])
return 1
