#include "headrace/serving/prediction_log.h"

#include <pthread.h>

#include <map>

#include "headrace/base/files.h"
#include "headrace/base/log.h"

namespace headrace::serving {
namespace {

constexpr char kTable[] = "headrace_prediction_log";

template <class Tensors>
size_t BytesOf(const Tensors& tensors) {
  size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    bytes += tensor.bytes();
    if (tensor.type() == DataType::kString)
      for (const auto text : tensor.strings()) bytes += text.size() + sizeof text;
  }
  return bytes;
}

LoggedPrediction Capture(const PredictCall& call, const Status& status, const Clock& clock) {
  LoggedPrediction out;
  out.event_id = NewUuid();
  out.request_id = call.origin.request_id;
  out.trace_id = call.origin.trace_id;
  out.client = call.origin.client;
  out.model = call.servable.model();
  out.version = call.servable.version();
  out.role = call.servable.role();
  out.signature = call.request.signature->name;
  out.time = clock.Now();
  out.code = status.code();
  out.error = status.message();
  out.latency_micros = (clock.Monotonic() - call.started) / std::chrono::microseconds(1);
  out.queue_micros = call.queued / std::chrono::microseconds(1);
  out.batch_size = call.executed_rows;
  out.sampling_fraction = call.servable.log_fraction();
  out.input_specs = call.request.signature->inputs;
  for (const uint32_t output : call.request.outputs)
    out.output_specs.push_back(call.request.signature->outputs[output]);
  for (const auto& input : call.request.inputs) out.inputs.push_back(CopyTensor(input));
  if (status.ok()) out.outputs.assign(call.response.outputs.begin(), call.response.outputs.end());
  return out;
}

}  // namespace

PredictionLog::PredictionLog(QueryEngine* engine, PredictionLogOptions options)
    : engine_(engine), options_(std::move(options)), writer_([this] { Run(); }) {}

PredictionLog::~PredictionLog() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  writer_.join();
}

void PredictionLog::Record(const PredictCall& call, const Status& status) {
  bool room = BytesOf(call.request.inputs) + BytesOf(call.response.outputs) <= options_.max_prediction_bytes;
  if (room) {
    MutexLock lock(mutex_);
    room = queue_.size() < options_.max_queued;
  }
  if (!room) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  LoggedPrediction prediction = Capture(call, status, *options_.clock);
  bool half_full;
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(prediction));
    half_full = queue_.size() == options_.max_queued / 2;
  }
  recorded_.fetch_add(1, std::memory_order_relaxed);
  if (half_full) wake_.NotifyAll();
}

Status PredictionLog::Flush() {
  MutexLock one_at_a_time(writing_);
  std::vector<LoggedPrediction> predictions;
  {
    MutexLock lock(mutex_);
    predictions.swap(queue_);
  }
  return Write(predictions);
}

void PredictionLog::Run() {
  pthread_setname_np(pthread_self(), "hr-predlog");
  for (;;) {
    bool stop;
    {
      MutexLock lock(mutex_);
      const Deadline until = std::chrono::steady_clock::now() + options_.flush_interval;
      while (!stopping_ && queue_.size() < options_.max_queued / 2 && std::chrono::steady_clock::now() < until)
        wake_.WaitUntil(mutex_, until);
      stop = stopping_;
    }
    Flush().IgnoreError();  // logged
    if (stop) return;
  }
}

Status PredictionLog::Write(const std::vector<LoggedPrediction>& predictions) {
  std::map<std::string, std::vector<const LoggedPrediction*>> by_file;  // by date and schema
  for (const auto& prediction : predictions)
    by_file[FormatTime(prediction.time).substr(0, 10) + "\n" + RowSchemaKey(prediction)].push_back(&prediction);
  Status first_error;
  for (const auto& [key, group] : by_file) {
    const Status status = WriteFile(group);
    if (status.ok()) continue;
    dropped_.fetch_add(group.size(), std::memory_order_relaxed);
    HR_LOG(err, "{} predictions of model {} could not be logged: {}", group.size(), group.front()->model,
           status.ToString());
    if (first_error.ok()) first_error = status;
  }
  return first_error;
}

Status PredictionLog::WriteFile(const std::vector<const LoggedPrediction*>& predictions) {
  HR_ASSIGN_OR_RETURN(const auto table, MakePredictionTable(predictions));
  if (table.batch.rows() == 0) return OkStatus();
  const auto& first = *predictions.front();
  const std::string date = FormatTime(first.time).substr(0, 10);
  const auto folder = options_.folder / first.model / date;
  const std::string name = fmt::format("{}-{}", MicrosSinceEpoch(first.time), first.event_id.substr(0, 8));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoStatus(error.value(), folder.string());
  const auto aside = folder / ("." + name + ".aside");
  HR_RETURN_IF_ERROR(engine_->Execute(fmt::format("DROP TABLE IF EXISTS {}", kTable)));
  HR_RETURN_IF_ERROR(engine_->Append(kTable, table.batch));
  const Status copied = engine_->Execute(fmt::format("COPY (SELECT {} FROM {}) TO {} (FORMAT PARQUET)",
                                                     table.select_list, kTable, QuoteString(aside.string())));
  if (!copied.ok()) {
    std::filesystem::remove(aside, error);
    return copied;
  }
  HR_RETURN_IF_ERROR(engine_->Execute(fmt::format("DROP TABLE {}", kTable)));
  return PublishByRename(aside, folder / (name + ".parquet"));
}

}  // namespace headrace::serving
