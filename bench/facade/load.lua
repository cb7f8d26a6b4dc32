-- For wrk: the requests of a file in turns. Arguments: FILE METHOD BODY FRESH CHECK
--   BODY   the length every answer must have
--   FRESH  a number to count from, which replaces {n} in targets; 0: targets stay as they are
--   CHECK  1: look at every answer's status and length (slow); 0: wrk's own count of errors has to do
local requests, at, number, wanted, wrong = {}, 0, 0, 0, 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local method, body = args[2], nil
  wanted, number = tonumber(args[3]), tonumber(args[4])
  bad, checked = 0, 0
  if method == "POST" then
    body = '{"order": "' .. string.rep("y", 1024 - 13) .. '"}'
    wrk.headers["Content-Type"] = "application/json"
  end
  for line in io.lines(args[1]) do
    local target, cookie, trace = line:match("^([^\t]+)\t([^\t]+)\t([^\t]+)$")
    wrk.headers["Cookie"], wrk.headers["traceparent"] = cookie, trace
    requests[#requests + 1] = wrk.format(method, target, nil, body)
  end
  if args[5] == "1" then
    response = function(status, headers, answer)
      checked = checked + 1
      if status ~= 200 or #answer ~= wanted then bad = bad + 1 end
    end
  end
end

function request()
  at = at % #requests + 1
  if number == 0 then return requests[at] end
  number = number + 1
  return (requests[at]:gsub("{n}", number, 1))
end

function done(summary, latency, counts)
  local checked, bad = 0, 0
  for _, thread in ipairs(threads) do
    checked, bad = checked + thread:get("checked"), bad + thread:get("bad")
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "bytes": %d, "seconds": %.6f, "failed": %d, "status": %d, "checked": %d, "bad": %d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status, checked, bad))
end
