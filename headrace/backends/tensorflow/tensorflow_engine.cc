#include "headrace/backends/tensorflow/tensorflow_engine.h"

#include "headrace/backends/tensorflow/saved_model.h"

namespace headrace::tensorflow {
namespace {

namespace fs = std::filesystem;

// The model's main file; empty when there is none.
fs::path ModelFile(const fs::path& version_dir) {
  for (const char* name : {"saved_model.pb", "saved_model.pbtxt"}) {
    std::error_code error;
    if (fs::is_regular_file(version_dir / name, error)) return version_dir / name;
  }
  return {};
}

class TensorFlowEngine : public Engine {
 public:
  std::string_view name() const override { return "tensorflow"; }

  bool Recognizes(const fs::path& version_dir) const override { return !ModelFile(version_dir).empty(); }

  // The graph once and the variables once.
  Result<size_t> EstimateMemory(const fs::path& version_dir) const override {
    const fs::path file = ModelFile(version_dir);
    if (file.empty())
      return std::unexpected(NotFound("{}: no saved_model.pb or saved_model.pbtxt", version_dir.string()));
    std::error_code error;
    size_t bytes = fs::file_size(file, error);
    for (const auto& entry : fs::directory_iterator(version_dir / "variables", error))
      if (entry.is_regular_file(error)) bytes += entry.file_size(error);
    return bytes + bytes / 4;
  }

  Result<std::unique_ptr<Servable>> Load(const fs::path& version_dir, const EngineOptions& options) override {
    HR_ASSIGN_OR_UNEXPECTED(const TfApi* api, LoadTensorFlow());
    HR_ASSIGN_OR_UNEXPECTED(const size_t bytes, EstimateMemory(version_dir));
    auto model = SavedModel::Load(*api, version_dir.string(), options, bytes);
    if (model) return model;
    const Status& error = model.error();
    const bool resources = error.code() == Code::kResourceExhausted || error.code() == Code::kUnimplemented;
    return std::unexpected(Status(resources ? error.code() : Code::kInvalidArgument,
                                  ModelFile(version_dir).string() + ": " + error.message()));
  }
};

}  // namespace

std::unique_ptr<Engine> MakeEngine() { return std::make_unique<TensorFlowEngine>(); }

}  // namespace headrace::tensorflow
