#include "headrace/serving/serving_metrics.h"

#include <fmt/format.h>

#include <iterator>

#include "headrace/serving/batch_queue.h"

namespace headrace::serving {
namespace {

using Out = std::back_insert_iterator<std::string>;

constexpr auto kRelaxed = std::memory_order_relaxed;

std::string Escape(std::string_view label) {
  std::string escaped;
  for (const char c : label) {
    if (c == '\\' || c == '"') escaped += '\\';
    c == '\n' ? escaped += "\\n" : escaped += c;
  }
  return escaped;
}

// "OK", "INVALID_ARGUMENT": what TensorFlow Serving's `status` label says.
void AppendCounts(std::string* out, std::string_view name, const std::string& labels, const VersionStats& stats) {
  for (size_t code = 0; code < stats.requests_by_code.size(); code++)
    if (const uint64_t count = stats.requests_by_code[code].load(kRelaxed); count != 0)
      fmt::format_to(Out(*out), "{}{{{},status=\"{}\"}} {}\n", name, labels, CodeName(static_cast<Code>(code)), count);
}

void AppendHistogram(std::string* out, std::string_view name, const std::string& labels,
                     const LatencyHistogram& histogram) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i < LatencyHistogram::kBounds; i++) {
    cumulative += histogram.bucket(i);
    fmt::format_to(Out(*out), "{}_bucket{{{},le=\"{:.6g}\"}} {}\n", name, labels, LatencyHistogram::BoundMicros(i),
                   cumulative);
  }
  cumulative += histogram.bucket(LatencyHistogram::kBounds);
  fmt::format_to(Out(*out), "{0}_bucket{{{1},le=\"+Inf\"}} {2}\n{0}_sum{{{1}}} {3}\n{0}_count{{{1}}} {2}\n", name,
                 labels, cumulative, histogram.sum_micros());
}

void AppendHead(std::string* out, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(Out(*out), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

using Series = std::vector<std::pair<std::string, const VersionStats*>>;  // labels, counts

void AppendFamily(std::string* out, const std::string& prefix, const Series& series) {
  AppendHead(out, prefix + "request_count", "counter", "Finished requests by status.");
  for (const auto& [labels, stats] : series) AppendCounts(out, prefix + "request_count", labels, *stats);
  AppendHead(out, prefix + "request_latency", "histogram", "Microseconds from a request's arrival to its answer.");
  for (const auto& [labels, stats] : series)
    AppendHistogram(out, prefix + "request_latency", labels, stats->request_latency);
  AppendHead(out, prefix + "runtime_latency", "histogram", "Microseconds in the engine.");
  for (const auto& [labels, stats] : series)
    AppendHistogram(out, prefix + "runtime_latency", labels, stats->runtime_latency);
}

void AppendBatches(std::string* out, const Series& series, const std::vector<ServableHandle>& loaded) {
  constexpr std::string_view kName = "headrace_serving_batch_size";
  AppendHead(out, kName, "histogram", "Rows of the engine's runs, those of requests computed together in one.");
  for (const auto& [labels, stats] : series) {
    uint64_t count = 0;
    for (size_t i = 0; i < RowsHistogram::kBounds; i++) {
      count += stats->rows_histogram.bucket(i);
      fmt::format_to(Out(*out), "{}_bucket{{{},le=\"{}\"}} {}\n", kName, labels, RowsHistogram::Bound(i), count);
    }
    count += stats->rows_histogram.bucket(RowsHistogram::kBounds);
    fmt::format_to(Out(*out), "{0}_bucket{{{1},le=\"+Inf\"}} {2}\n{0}_sum{{{1}}} {3}\n{0}_count{{{1}}} {2}\n", kName,
                   labels, count, stats->rows.load(kRelaxed));
  }
  std::string rows;
  AppendHead(out, "headrace_serving_batch_queue_requests", "gauge", "Requests that wait to be computed together.");
  AppendHead(&rows, "headrace_serving_batch_queue_rows", "gauge", "The rows of those requests.");
  for (size_t i = 0; i < loaded.size(); i++) {
    if (loaded[i].get()->batch_queue() == nullptr) continue;
    const auto waiting = loaded[i].get()->batch_queue()->waiting();
    fmt::format_to(Out(*out), "headrace_serving_batch_queue_requests{{{}}} {}\n", series[i].first, waiting.requests);
    fmt::format_to(Out(rows), "headrace_serving_batch_queue_rows{{{}}} {}\n", series[i].first, waiting.rows);
  }
  *out += rows;
}

void AppendVersions(std::string* out, const ModelManager& manager) {
  AppendHead(out, "headrace_serving_version_state", "gauge", "A version's state: 10 START … 30 AVAILABLE … 50 END.");
  std::string load_times, memory;
  AppendHead(&load_times, "headrace_serving_load_seconds", "gauge", "How long the version took to load.");
  AppendHead(&memory, "headrace_serving_memory_bytes", "gauge", "Memory that unloading the version frees.");
  for (const auto& model : manager.Models()) {
    for (const auto& status : manager.Statuses(model).value_or(std::vector<VersionStatus>{})) {
      const auto labels = fmt::format("{{model_name=\"{}\",version=\"{}\"}}", Escape(model), status.version);
      fmt::format_to(Out(*out), "headrace_serving_version_state{} {}\n", labels, static_cast<int>(status.state));
      if (status.state != VersionState::kAvailable) continue;
      const double seconds = std::chrono::duration<double>(status.load_time).count();
      fmt::format_to(Out(load_times), "headrace_serving_load_seconds{} {}\n", labels, seconds);
      fmt::format_to(Out(memory), "headrace_serving_memory_bytes{} {}\n", labels, status.memory_bytes);
    }
  }
  *out += load_times + memory;
}

void AppendPredictor(std::string* out, const Predictor& predictor) {
  AppendHead(out, "headrace_serving_queued_requests", "gauge",
             "Requests, and turns of batch queues, that wait for an inference thread.");
  fmt::format_to(Out(*out), "headrace_serving_queued_requests {}\n", predictor.queued());
  AppendHead(out, "headrace_serving_shadow_requests", "counter", "Copies answered by shadow versions, by comparison.");
  for (const auto& count : predictor.shadows().Counts())
    for (size_t outcome = 0; outcome < count.by_outcome.size(); outcome++)
      fmt::format_to(Out(*out),
                     "headrace_serving_shadow_requests{{model_name=\"{}\",version=\"{}\",shadow_version=\"{}\",result="
                     "\"{}\"}} {}\n",
                     Escape(count.model), count.version, count.shadow_version,
                     ShadowOutcomeName(static_cast<ShadowOutcome>(outcome)), count.by_outcome[outcome]);
}

void AppendLog(std::string* out, const PredictionLog& log) {
  AppendHead(out, "headrace_serving_logged_predictions", "counter", "Predictions taken into the log.");
  fmt::format_to(Out(*out), "headrace_serving_logged_predictions {}\n", log.recorded());
  AppendHead(out, "headrace_serving_log_dropped_predictions", "counter", "Predictions that the log had no room for.");
  fmt::format_to(Out(*out), "headrace_serving_log_dropped_predictions {}\n", log.dropped());
}

}  // namespace

std::string ExposeServingMetrics(const ModelManager& manager, const Predictor* predictor, const PredictionLog* log) {
  const auto totals = manager.Totals();
  Series by_model, by_version;
  for (const auto& [model, stats] : totals)
    by_model.emplace_back(fmt::format("model_name=\"{}\"", Escape(model)), stats.get());
  const auto loaded = manager.Loaded();
  for (const auto& handle : loaded)
    by_version.emplace_back(fmt::format("model_name=\"{}\",version=\"{}\"", Escape(handle.model()), handle.version()),
                            &handle.stats());
  std::string out;
  AppendFamily(&out, ":tensorflow:serving:", by_model);
  AppendFamily(&out, "headrace_serving_", by_version);
  AppendBatches(&out, by_version, loaded);
  AppendVersions(&out, manager);
  if (predictor != nullptr) AppendPredictor(&out, *predictor);
  if (log != nullptr) AppendLog(&out, *log);
  return out;
}

}  // namespace headrace::serving
