#include "headrace/backends/onnxruntime/onnx_engine.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "headrace/backends/onnxruntime/graph_facts.h"
#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/backends/onnxruntime/session.h"

namespace headrace::onnxruntime {
namespace {

namespace fs = std::filesystem;

bool IsModel(const fs::path& file) { return file.extension() == ".onnx" || file.extension() == ".ort"; }

std::vector<fs::path> ModelFiles(const fs::path& dir) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (std::error_code ignored; IsModel(it->path()) && it->is_regular_file(ignored)) files.push_back(it->path());
  std::sort(files.begin(), files.end());
  return files;
}

Result<fs::path> FindModel(const fs::path& dir) {
  const auto files = ModelFiles(dir);
  for (const char* name : {"model.onnx", "model.ort"})
    if (std::find(files.begin(), files.end(), dir / name) != files.end()) return dir / name;
  if (files.size() == 1) return files[0];
  if (files.empty()) return std::unexpected(NotFound("{}: no *.onnx or *.ort file", dir.string()));
  return std::unexpected(InvalidArgument("{}: {} model files; expected model.onnx, or one *.onnx or *.ort file",
                                         dir.string(), files.size()));
}

// What a session keeps is close to the files' size: weights are held once, packed or not.
Result<size_t> ResidentBytes(const fs::path& dir) {
  uintmax_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (std::error_code ignored; it->is_regular_file(ignored)) bytes += it->file_size(ignored);
  if (error) return std::unexpected(ErrnoStatus(error.value(), dir.string()));
  return bytes + (size_t{1} << 20);
}

// Leaked on purpose: sessions of static objects may end after it otherwise. Errors come back as Status; the runtime
// logs none, or a client could fill the log with refused requests.
Result<OrtEnv*> Environment() {
  static OrtEnv* env = nullptr;
  static const Status status = [] {
    if (Api() == nullptr)
      return Unavailable(
          "libonnxruntime is {}, older than the headers (API {}) that this program was built with; "
          "run ./dev setup",
          OrtGetApiBase()->GetVersionString(), ORT_API_VERSION);
    HR_RETURN_IF_ORT(Api()->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "headrace", &env));
    return FromOrt(Api()->DisableTelemetryEvents(env));
  }();
  if (!status.ok()) return std::unexpected(status);
  return env;
}

GraphOptimizationLevel LevelOf(int level) {
  switch (level) {
    case 0: return ORT_DISABLE_ALL;
    case 1: return ORT_ENABLE_BASIC;
    case 2: return ORT_ENABLE_EXTENDED;
    default: return ORT_ENABLE_ALL;
  }
}

Result<Owned<OrtSessionOptions>> MakeOptions(const EngineOptions& options) {
  OrtSessionOptions* raw = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->CreateSessionOptions(&raw));
  Owned<OrtSessionOptions> made(raw);
  HR_UNEXPECTED_IF_ORT(Api()->SetIntraOpNumThreads(raw, options.intra_op_threads));
  HR_UNEXPECTED_IF_ORT(Api()->SetInterOpNumThreads(raw, 1));
  HR_UNEXPECTED_IF_ORT(Api()->SetSessionGraphOptimizationLevel(raw, LevelOf(options.optimization_level)));
  // Waiting threads sleep: a server's cores belong to its other requests.
  HR_UNEXPECTED_IF_ORT(Api()->AddSessionConfigEntry(raw, "session.intra_op.allow_spinning", "0"));
  // No arena: it keeps its high-water mark until the session ends. No memory patterns: one is kept for each input shape
  // ever seen.
  HR_UNEXPECTED_IF_ORT(Api()->DisableCpuMemArena(raw));
  HR_UNEXPECTED_IF_ORT(Api()->DisableMemPattern(raw));
  return made;
}

class OnnxEngine : public Engine {
 public:
  std::string_view name() const override { return "onnxruntime"; }

  bool Recognizes(const fs::path& version_dir) const override { return !ModelFiles(version_dir).empty(); }

  Result<size_t> EstimateMemory(const fs::path& version_dir) const override {
    HR_UNEXPECTED_IF_ERROR(FindModel(version_dir));
    return ResidentBytes(version_dir);
  }

  Result<std::unique_ptr<Servable>> Load(const fs::path& version_dir, const EngineOptions& options) override {
    HR_ASSIGN_OR_UNEXPECTED(const fs::path file, FindModel(version_dir));
    auto loaded = LoadFile(file, options);
    if (loaded) return loaded;
    Status error = loaded.error();
    // A file that does not parse or makes no graph is the file's fault, whatever step of the runtime says so.
    if (error.code() == Code::kInternal || error.code() == Code::kNotFound)
      error = Status(Code::kInvalidArgument, error.message());
    return std::unexpected(error.message().find(file.string()) == std::string::npos ? error.WithContext(file.string())
                                                                                    : error);
  }

 private:
  Result<std::unique_ptr<Servable>> LoadFile(const fs::path& file, const EngineOptions& options) const {
    HR_ASSIGN_OR_UNEXPECTED(OrtEnv * env, Environment());
    HR_ASSIGN_OR_UNEXPECTED(const auto session_options, MakeOptions(options));
    HR_ASSIGN_OR_UNEXPECTED(const size_t bytes, ResidentBytes(file.parent_path()));
    OrtSession* session = nullptr;
    HR_UNEXPECTED_IF_ORT(Api()->CreateSession(env, file.c_str(), session_options.get(), &session));
    return SessionServable::Make(Owned<OrtSession>(session),
                                 {.memory_bytes = bytes, .runtime_depends_on_values = RuntimeDependsOnValues(file)},
                                 watchdog_);
  }

  const std::shared_ptr<RunWatchdog> watchdog_ = std::make_shared<RunWatchdog>();
};

}  // namespace

std::unique_ptr<Engine> MakeEngine() {
  // Since 1.29 the published library sends usage data to its maker, with a device id that it keeps in the user's cache
  // folder, unless this is set before its environment is made (https://github.com/microsoft/onnxruntime/pull/27379).
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  return std::make_unique<OnnxEngine>();
}

}  // namespace headrace::onnxruntime
