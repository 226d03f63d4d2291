-- For wrk: posts the file $BODY; the last line printed is a JSON object with the figures.
wrk.method = "POST"
wrk.body = io.open(os.getenv("BODY"), "rb"):read("*a")
wrk.headers["Content-Type"] = os.getenv("CONTENT_TYPE")
if os.getenv("JSON_LENGTH") ~= "" then
  wrk.headers["Inference-Header-Content-Length"] = os.getenv("JSON_LENGTH")
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests": %d, "seconds": %f, "p50_us": %d, "p99_us": %d, "errors": %d}', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), failed))
end
