#include "headrace/app/run_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <deque>

#include "headrace/base/files.h"

namespace headrace::app {
namespace {

using pipeline::TaskKind;
using pipeline::TaskRecord;
using pipeline::TaskState;

constexpr std::string_view kFrames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr size_t kLogLines = 15;

bool IsLeaf(const TaskRecord& task) { return task.kind == TaskKind::kContainer || task.kind == TaskKind::kImporter; }

double Seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

double SecondsOf(const TaskRecord& task) {
  if (!task.started || !task.finished) return 0;
  return std::chrono::duration<double>(*task.finished - *task.started).count();
}

size_t Columns(std::FILE* out) {
  winsize size{};
  return ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

// One screen line: as many characters as fit, UTF-8 sequences whole.
std::string Fit(const std::string& text, size_t columns) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (++width > columns) return text.substr(0, i);
  }
  return text;
}

// Without the time that the executor put before it: "2026-01-31T12:00:00.000000Z text".
std::string_view WithoutTime(std::string_view line) {
  return line.size() > 28 && line[10] == 'T' && line[26] == 'Z' && line[27] == ' ' ? line.substr(28) : line;
}

std::string EndOfLog(const std::string& file) {
  const auto text = ReadFile(file);
  if (!text) return "";
  std::deque<std::string_view> lines;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    lines.push_back(WithoutTime(rest.substr(0, end)));
    if (lines.size() > kLogLines) lines.pop_front();
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  std::string out;
  for (const auto line : lines) out += fmt::format("    {}\n", line);
  return out;
}

}  // namespace

RunProgress::RunProgress(std::FILE* out, bool live) : out_(out), live_(live) {
  if (live_) ticker_ = std::thread([this] { Tick(); });
}

RunProgress::~RunProgress() { Stop(); }

void RunProgress::Stop() {
  {
    const MutexLock lock(mutex_);
    if (!stopped_) Erase();
    stopped_ = true;
    changed_.NotifyAll();
  }
  if (ticker_.joinable()) ticker_.join();
}

void RunProgress::Tick() {
  const MutexLock lock(mutex_);
  while (!stopped_) {
    Erase();
    Draw();
    frame_++;
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(150));
  }
}

void RunProgress::Erase() {
  for (; drawn_ > 0; drawn_--) std::fputs("\x1b[1A\x1b[2K", out_);
}

void RunProgress::Draw() {
  const size_t columns = Columns(out_) - 1;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [path, line] : running_) {
    const std::string text = fmt::format("{} {:<32} {:>7.1f} s  {}", kFrames[frame_ % std::size(kFrames)], path,
                                         Seconds(now - line.since), line.doing);
    std::fputs((Fit(text, columns) + "\n").c_str(), out_);
    drawn_++;
  }
  std::fflush(out_);
}

void RunProgress::Print(const TaskRecord& task, std::string_view symbol, const std::string& text) {
  if (live_) {
    Erase();
    std::fputs(fmt::format("{} {:<32} {}\n", symbol, task.path, text).c_str(), out_);
    Draw();
    return;
  }
  const double seconds = Seconds(std::chrono::steady_clock::now() - start_);
  std::fputs(fmt::format("{:>8.1f} s  {:<32} {}\n", seconds, task.path, text).c_str(), out_);
  std::fflush(out_);
}

void RunProgress::OnEvent(const pipeline::RunEvent& event) {
  const MutexLock lock(mutex_);
  if (stopped_ || event.task == nullptr || !IsLeaf(*event.task)) return;
  const TaskRecord& task = *event.task;
  if (!event.line.empty()) {
    const auto running = running_.find(task.path);
    const bool note = event.line.starts_with("warning") || event.line.starts_with("try ");
    if (running != running_.end()) running->second.doing = event.line;
    if (!live_ || note) Print(task, "·", std::string(event.line));
    return;
  }
  switch (task.state) {
    case TaskState::kPending: return;
    case TaskState::kRunning:
      running_[task.path] = {std::chrono::steady_clock::now(),
                             task.tries > 1 ? fmt::format("try {}", task.tries) : "running"};
      if (!live_) Print(task, "", running_[task.path].doing);
      return;
    default: break;
  }
  running_.erase(task.path);
  switch (task.state) {
    case TaskState::kSucceeded: return Print(task, "✓", fmt::format("done in {:.1f} s", SecondsOf(task)));
    case TaskState::kCached: return Print(task, "✓", "cached");
    case TaskState::kSkipped: return Print(task, "-", "skipped: " + task.message);
    case TaskState::kCancelled: return Print(task, "-", "cancelled");
    default: return Print(task, "✗", "FAILED: " + task.message);
  }
}

RunSummary Summarize(const std::vector<TaskRecord>& tasks) {
  RunSummary out;
  for (const auto& task : tasks) {
    if (!IsLeaf(task)) continue;
    out.ran += task.state == TaskState::kSucceeded;
    out.cached += task.state == TaskState::kCached;
    out.failed += task.state == TaskState::kFailed;
    out.skipped += task.state == TaskState::kSkipped || task.state == TaskState::kPending;
    out.cancelled += task.state == TaskState::kCancelled;
  }
  return out;
}

std::string SummaryText(const pipeline::Run& run, const RunSummary& summary) {
  const double seconds = run.finished ? std::chrono::duration<double>(*run.finished - run.created).count() : 0;
  std::string counts;
  const auto add = [&](size_t count, std::string_view what) {
    if (count > 0) counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, what);
  };
  add(summary.ran, "ran");
  add(summary.cached, "cached");
  add(summary.failed, "failed");
  add(summary.skipped, "skipped");
  add(summary.cancelled, "cancelled");
  if (summary.ran == 0 && summary.failed == 0 && summary.cancelled == 0 && summary.cached > 0)
    counts = fmt::format("nothing to do: all {} tasks cached{}", summary.cached,
                         summary.skipped > 0 ? fmt::format(", {} skipped", summary.skipped) : "");
  return fmt::format("run {} {} in {:.1f} s: {}", run.id, pipeline::RunStateName(run.state), seconds,
                     counts.empty() ? "no tasks" : counts);
}

json::object SummaryJson(const pipeline::Run& run, const std::vector<TaskRecord>& tasks) {
  const RunSummary summary = Summarize(tasks);
  json::array list;
  for (const auto& task : tasks) {
    if (!IsLeaf(task)) continue;
    list.push_back(json::object{
        {"task", task.path},
        {"state", pipeline::TaskStateName(task.state)},
        {"message", task.message},
        {"tries", task.tries},
        {"seconds", SecondsOf(task)},
        {"log_file", task.log_file},
        {"inputs", pipeline::ToStored(task.inputs.parameters, task.inputs.artifacts)},
        {"outputs", pipeline::ToStored(task.outputs.parameters, task.outputs.artifacts)},
    });
  }
  return {{"run_id", run.id},         {"pipeline", run.pipeline},   {"state", pipeline::RunStateName(run.state)},
          {"error", run.error},       {"ran", summary.ran},         {"cached", summary.cached},
          {"failed", summary.failed}, {"skipped", summary.skipped}, {"cancelled", summary.cancelled},
          {"tasks", std::move(list)}};
}

std::string FailureText(const std::vector<TaskRecord>& tasks) {
  std::string out;
  for (const auto& task : tasks) {
    if (!IsLeaf(task) || task.state != TaskState::kFailed) continue;
    out += fmt::format("\n{} failed: {}\n", task.path, task.message);
    if (task.log_file.empty()) continue;
    out += EndOfLog(task.log_file) + "  log: " + task.log_file + "\n";
  }
  return out;
}

}  // namespace headrace::app
