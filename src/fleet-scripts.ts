/**
 * The steps of a run on the server: each is whole or has not been. KEYS[1] is the run, of which all keys begin with its name:
 * `:rows` (state, fence, losses, worker and group of each task), `:facts` (opaque here), `:leases` (until when, of what runs),
 * `:changes` (when a row has changed, by a number of the run), `:deps`, `:groups` (who has it), `:outputs`, `:events`, `:workers`.
 */
const head = `
local run = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = { succeeded = true, failed = true, skipped = true, cancelled = true }
local function read(id)
  local text = redis.call('HGET', run .. ':rows', id)
  return text and cjson.decode(text) or nil
end
local function change(id)
  redis.call('ZADD', run .. ':changes', redis.call('HINCRBY', run, 'seq', 1), id)
end
local function save(id, row)
  redis.call('HSET', run .. ':rows', id, cjson.encode(row))
  change(id)
end
local function tell(event)
  local number = redis.call('HINCRBY', run, 'events', 1)
  redis.call('XADD', run .. ':events', 'MAXLEN', '~', 100000, number .. '-1', 'at', now, 'value', event)
end
local function leave(id, row)
  row.w = nil
  redis.call('ZREM', run .. ':leases', id)
  if row.g and over[row.s] then redis.call('HDEL', run .. ':groups', row.g) end
end
-- By what "open" alone writes: whoever changes a run that was forgotten leaves a piece of one.
local function isThere() return redis.call('HEXISTS', run, 'epoch') == 1 end
`;

/** Answers nil where the run is not there: nobody knows what was to become of it. */
const step = (body: string): string => `${head}if not isThere() then return nil end\n${body}`;

export const scripts = {
  /**
   * worker, leaseMs, jobs, most, maxLosses, isAlone; then id, fence, isDead ("1": its worker is, for certain). Answers id, fence, facts,
   * losses of each. What may be the last time of a task it has by itself: it is not given up for what another one has done to its worker.
   */
  claim: step(`
local worker, lease, jobs, most, losses = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local claimed, count = {}, 0
local running = redis.call('ZCARD', run .. ':leases')
local function isAfterAll(id)
  local deps = redis.call('HGET', run .. ':deps', id)
  for _, other in ipairs(deps and cjson.decode(deps) or {}) do
    local before = read(other)
    if not before or not over[before.s] then return false end
  end
  return true
end
for at = 7, #ARGV, 3 do
  local id, row = ARGV[at], read(ARGV[at])
  if count < most and row and row.f == tonumber(ARGV[at + 1]) and not over[row.s] then
    local isTaken = row.s == 'running'
    local isFree = not isTaken
    if isTaken then
      local till = tonumber(redis.call('ZSCORE', run .. ':leases', id) or 0)
      isFree = till <= now or row.w == worker or ARGV[at + 2] == '1'
      if isFree and row.w ~= worker then row.n = row.n + 1 end
    end
    local holder = row.g and redis.call('HGET', run .. ':groups', row.g)
    if isFree and isTaken and row.n >= losses then
      row.s, row.d = 'failed', true
      leave(id, row)
      save(id, row)
      tell(cjson.encode({ event = 'failed', task = id, text = 'its worker was lost ' .. row.n .. ' times: it goes to the dead letters' }))
    elseif isFree and (row.n < losses - 1 or (ARGV[6] == '1' and count == 0)) and (isTaken or running < jobs) and (not holder or holder == id) and (row.s ~= 'pending' or isAfterAll(id)) then
      if not isTaken then running = running + 1 end
      row.s, row.w, row.f = 'running', worker, redis.call('HINCRBY', run, 'fence', 1)
      if row.g then redis.call('HSET', run .. ':groups', row.g, id) end
      redis.call('ZADD', run .. ':leases', now + lease, id)
      save(id, row)
      count = row.n < losses - 1 and count + 1 or most
      claimed[#claimed + 1] = id
      claimed[#claimed + 1] = row.f
      claimed[#claimed + 1] = redis.call('HGET', run .. ':facts', id) or '{}'
      claimed[#claimed + 1] = row.n
    end
  end
end
return claimed`),
  /** id, fence, leaseMs, facts or "", a line of its log or "". */
  heartbeat: step(`
local id, row = ARGV[1], read(ARGV[1])
if not row or row.s ~= 'running' or row.f ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', run .. ':leases', now + ARGV[3], id)
if ARGV[5] ~= '' then redis.call('XADD', run .. ':log:' .. id, 'MAXLEN', '~', 100, '*', 'line', ARGV[5]) end
if ARGV[4] ~= '' then
  redis.call('HSET', run .. ':facts', id, ARGV[4])
  change(id)
end
return 1`),
  /** id, fence, state, facts, event, output or "". The same once more is no other. */
  finish: step(`
local id, row = ARGV[1], read(ARGV[1])
if not row or row.f ~= tonumber(ARGV[2]) then return 0 end
if row.s == ARGV[3] then return 1 end
if row.s ~= 'running' then return 0 end
row.s, row.n = ARGV[3], 0
leave(id, row)
redis.call('HSET', run .. ':facts', id, ARGV[4])
if ARGV[6] ~= '' then redis.call('HSET', run .. ':outputs', id, ARGV[6]) end
save(id, row)
tell(ARGV[5])
return 1`),
  /** Of each id, fence, state, facts, event: of those that nobody has. */
  skip: step(`
for at = 1, #ARGV, 5 do
  local id, row = ARGV[at], read(ARGV[at])
  if row and row.f == tonumber(ARGV[at + 1]) and (row.s == 'pending' or row.s == 'paused') then
    row.s = ARGV[at + 2]
    leave(id, row)
    redis.call('HSET', run .. ':facts', id, ARGV[at + 3])
    save(id, row)
    tell(ARGV[at + 4])
  end
end
return 1`),
  /** Of each id, state, facts. An answer that nothing tells what it came from is no answer any more. */
  reset: step(`
for at = 1, #ARGV, 3 do
  local id, row = ARGV[at], read(ARGV[at])
  if row then
    row.s, row.f, row.n, row.d = ARGV[at + 1], redis.call('HINCRBY', run, 'fence', 1), 0, nil
    leave(id, row)
    redis.call('HSET', run .. ':facts', id, ARGV[at + 2])
    if not cjson.decode(ARGV[at + 2]).hash then redis.call('HDEL', run .. ':outputs', id) end
    save(id, row)
  end
end
return 1`),
  note: step(`
tell(ARGV[1])
return 1`),
  /** worker, leaseMs (0: it goes). */
  attend: step(`
if ARGV[2] == '0' then return redis.call('ZREM', run .. ':workers', ARGV[1]) end
return redis.call('ZADD', run .. ':workers', now + ARGV[2], ARGV[1])`),
  workers: step(`
return redis.call('ZRANGEBYSCORE', run .. ':workers', '(' .. now, '+inf')`),
  /** epoch, since. What has changed: epoch, seq, is it all (1), ids whose lease is over, and id, row, facts of each. */
  sync: step(`
local epoch, seq = redis.call('HGET', run, 'epoch'), tonumber(redis.call('HGET', run, 'seq') or 0)
local since, isAll = tonumber(ARGV[2]), 0
if epoch ~= ARGV[1] or since > seq then since, isAll = 0, 1 end
local changed = {}
if since < seq or isAll == 1 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', run .. ':changes', '(' .. since, '+inf')) do
    changed[#changed + 1] = id
    changed[#changed + 1] = redis.call('HGET', run .. ':rows', id)
    changed[#changed + 1] = redis.call('HGET', run .. ':facts', id) or '{}'
  end
end
return { epoch, seq, isAll, redis.call('ZRANGEBYSCORE', run .. ':leases', '-inf', now), changed }`),
  /**
   * Puts rows there that are not, or are older than these. leaseMs; then id, row, facts, deps, output or "" of each. A run that is not
   * there comes into being by \`open\`.
   */
  put: `${head}
local changed = 0
for at = 2, #ARGV, 5 do
  local id, row, known = ARGV[at], cjson.decode(ARGV[at + 1]), read(ARGV[at])
  if not known or known.f < row.f or (known.f == row.f and over[row.s] and not over[known.s]) then
    changed = changed + 1
    redis.call('HSET', run .. ':facts', id, ARGV[at + 2])
    if ARGV[at + 3] ~= '' then redis.call('HSET', run .. ':deps', id, ARGV[at + 3]) end
    if ARGV[at + 4] ~= '' then redis.call('HSET', run .. ':outputs', id, ARGV[at + 4]) end
    redis.call('ZREM', run .. ':leases', id)
    if row.s == 'running' then redis.call('ZADD', run .. ':leases', now + ARGV[1], id) end
    if row.g and over[row.s] and redis.call('HGET', run .. ':groups', row.g) == id then redis.call('HDEL', run .. ':groups', row.g) end
    if row.g and (row.s == 'running' or row.s == 'paused') then redis.call('HSET', run .. ':groups', row.g, id) end
    save(id, row)
  end
end
return changed`,
  /** fence, events, epoch, and fields of the run: nothing that was claimed before with a lower fence counts. */
  open: `${head}
redis.call('HSET', run, 'epoch', ARGV[3], 'fence', math.max(tonumber(redis.call('HGET', run, 'fence') or 0), tonumber(ARGV[1])))
redis.call('HSET', run, 'events', math.max(tonumber(redis.call('HGET', run, 'events') or 0), tonumber(ARGV[2])))
redis.call('HSET', run, unpack(ARGV, 4))
return 1`,
  remove: `${head}
for _, id in ipairs(redis.call('HKEYS', run .. ':rows')) do redis.call('UNLINK', run .. ':log:' .. id) end
for _, part in ipairs({ 'rows', 'facts', 'leases', 'changes', 'deps', 'groups', 'outputs', 'events', 'workers', 'graph' }) do
  redis.call('UNLINK', run .. ':' .. part)
end
return redis.call('UNLINK', run)`,
} as const;

export type Script = keyof typeof scripts;
