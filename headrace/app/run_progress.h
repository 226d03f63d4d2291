// What a user sees of a run: a live line per task on a terminal, plain lines elsewhere, a summary at the end.
#pragma once
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/mutex.h"
#include "headrace/pipeline/run_service.h"

namespace headrace::app {

// Thread-safe. Shows leaf tasks only; the DAGs around them are in their paths.
class RunProgress {
 public:
  // Lines go to `out`; `live` redraws them (out is a terminal).
  RunProgress(std::FILE* out, bool live);
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  void OnEvent(const pipeline::RunEvent& event);
  // Ends the live lines. Idempotent.
  void Stop();

 private:
  struct Line {
    std::chrono::steady_clock::time_point since;
    std::string doing;  // "running", "building the Python 3.11 environment …"
  };

  void Print(const pipeline::TaskRecord& task, std::string_view symbol, const std::string& text) HR_REQUIRES(mutex_);
  void Erase() HR_REQUIRES(mutex_);
  void Draw() HR_REQUIRES(mutex_);
  void Tick();

  std::FILE* const out_;
  const bool live_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Line> running_ HR_GUARDED_BY(mutex_);
  size_t drawn_ HR_GUARDED_BY(mutex_) = 0;  // live lines on the screen
  size_t frame_ HR_GUARDED_BY(mutex_) = 0;
  bool stopped_ HR_GUARDED_BY(mutex_) = false;
  std::thread ticker_;
};

struct RunSummary {
  size_t ran = 0, cached = 0, failed = 0, skipped = 0, cancelled = 0;
};
RunSummary Summarize(const std::vector<pipeline::TaskRecord>& tasks);
// "SUCCEEDED in 12.3 s: 3 ran, 5 cached, 1 skipped"; "nothing to do: all 9 tasks cached".
std::string SummaryText(const pipeline::Run& run, const RunSummary& summary);
// Everything about a run that has ended, for --json.
json::object SummaryJson(const pipeline::Run& run, const std::vector<pipeline::TaskRecord>& tasks);
// Each failed task with its reason, the end of its log and where the log is.
std::string FailureText(const std::vector<pipeline::TaskRecord>& tasks);

}  // namespace headrace::app
