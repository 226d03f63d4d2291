#include "headrace/backends/tensorflow/tf_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "headrace/base/log.h"

namespace headrace::tensorflow {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNames[] = {"libtensorflow.so.2", "libtensorflow_cc.so.2"};

void AddFolder(const fs::path& folder, std::vector<std::string>* out) {
  for (const auto name : kNames) {
    std::error_code error;
    if (fs::exists(folder / name, error)) out->push_back((folder / name).string());
  }
}

// The `tensorflow` package of every Python below PREFIX/lib.
void AddPackages(const fs::path& prefix, std::vector<std::string>* out) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(prefix / "lib", error)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    AddFolder(entry.path() / "site-packages" / "tensorflow", out);
    AddFolder(entry.path() / "dist-packages" / "tensorflow", out);
  }
}

[[maybe_unused]] std::vector<std::string> Candidates() {  // not with sanitizers
  std::vector<std::string> out;
  if (const char* named = std::getenv("HEADRACE_TENSORFLOW"); named != nullptr && *named != '\0') {
    std::error_code error;
    if (!fs::is_directory(named, error)) return {named};
    AddFolder(named, &out);
    AddFolder(fs::path(named) / "lib", &out);
    AddFolder(fs::path(named) / "tensorflow", &out);
    return out;
  }
  for (const auto name : kNames) out.emplace_back(name);
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment != nullptr) AddPackages(environment, &out);
  for (const char* prefix : {"/usr/local", "/usr"}) AddPackages(prefix, &out);
  return out;
}

// Symbol resolution inside the library before the program's: both carry a protobuf, and they must not meet.
void* Open(std::string* looked_at) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  *looked_at = "not at all: sanitizers refuse RTLD_DEEPBIND";
  return nullptr;
#else
  setenv("TF_CPP_MIN_LOG_LEVEL", "1", 0);  // a line per loaded model else
  for (const auto& candidate : Candidates()) {
    if (void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) {
      HR_LOG(info, "TensorFlow loaded from {}", candidate);
      return library;
    }
    const char* error = dlerror();
    *looked_at += (looked_at->empty() ? "" : "; ") + std::string(error != nullptr ? error : candidate);
  }
  if (looked_at->empty()) *looked_at = "HEADRACE_TENSORFLOW names a folder without the library";
  return nullptr;
#endif
}

template <class Function>
bool Find(void* library, const char* name, Function** out, std::string* missing) {
  *out = reinterpret_cast<Function*>(dlsym(library, name));
  if (*out == nullptr) *missing = name;
  return *out != nullptr;
}

Result<const TfApi*> Load() {
  std::string looked_at;
  void* library = Open(&looked_at);
  if (library == nullptr)
    return std::unexpected(
        Unavailable("TensorFlow's library is needed for SavedModels and was not found ({}); install it (pip install "
                    "tensorflow-cpu) and name its folder in HEADRACE_TENSORFLOW",
                    looked_at));
  static TfApi api;
  std::string missing;
#define HR_TF(name) Find(library, #name, &api.name, &missing)
  const bool complete =
      HR_TF(TF_Version) && HR_TF(TF_NewStatus) && HR_TF(TF_DeleteStatus) && HR_TF(TF_GetCode) && HR_TF(TF_Message) &&
      HR_TF(TF_NewBuffer) && HR_TF(TF_DeleteBuffer) && HR_TF(TF_NewSessionOptions) && HR_TF(TF_SetConfig) &&
      HR_TF(TF_DeleteSessionOptions) && HR_TF(TF_NewGraph) && HR_TF(TF_DeleteGraph) && HR_TF(TF_GraphOperationByName) &&
      HR_TF(TF_OperationNumOutputs) && HR_TF(TF_LoadSessionFromSavedModel) && HR_TF(TF_CloseSession) &&
      HR_TF(TF_DeleteSession) && HR_TF(TF_SessionRun) && HR_TF(TF_AllocateTensor) && HR_TF(TF_DeleteTensor) &&
      HR_TF(TF_TensorType) && HR_TF(TF_NumDims) && HR_TF(TF_Dim) && HR_TF(TF_TensorByteSize) && HR_TF(TF_TensorData) &&
      HR_TF(TF_StringAssignView) && HR_TF(TF_StringGetDataPointer) && HR_TF(TF_StringGetSize);
#undef HR_TF
  if (complete) return &api;
  return std::unexpected(
      Unavailable("the TensorFlow library that was found lacks {}; install TensorFlow 2.5 or newer", missing));
}

// Indexed by DataType.
constexpr std::array<int, 17> kTfTypes = {0, 10, 6, 5, 3, 9, 4, 17, 22, 23, 19, 14, 1, 2, 8, 18, kTfString};

}  // namespace

Result<const TfApi*> LoadTensorFlow() {
  static const Result<const TfApi*> loaded = Load();
  return loaded;
}

int ToTfType(DataType type) { return kTfTypes[static_cast<size_t>(type)]; }

DataType FromTfType(int type) {
  for (size_t i = 1; i < kTfTypes.size(); i++)
    if (kTfTypes[i] == type) return static_cast<DataType>(i);
  return DataType::kInvalid;
}

}  // namespace headrace::tensorflow
