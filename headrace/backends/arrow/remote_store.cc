#include "headrace/backends/arrow/remote_store.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

namespace headrace::arrow {
namespace {

class RemoteStore : public ArtifactStore {
 public:
  explicit RemoteStore(RemoteStoreOptions options) : options_(std::move(options)) {}

  bool Serves(std::string_view uri) const override {
    const std::string_view scheme = uri.substr(0, uri.find("://"));
    return scheme.size() < uri.size() &&
           std::find(options_.schemes.begin(), options_.schemes.end(), scheme) != options_.schemes.end();
  }
  Result<std::string> Read(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(ArtifactStore * store, For(uri));
    return store->Read(uri);
  }
  Result<std::filesystem::path> Localize(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(ArtifactStore * store, For(uri));
    return store->Localize(uri);
  }
  Status Put(const std::filesystem::path& source, std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(ArtifactStore * store, For(uri));
    return store->Put(source, uri);
  }
  Result<std::vector<ArtifactEntry>> List(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(ArtifactStore * store, For(uri));
    return store->List(uri);
  }
  Status Remove(std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(ArtifactStore * store, For(uri));
    return store->Remove(uri);
  }

 private:
  Result<ArtifactStore*> For(std::string_view uri) {
    if (!Serves(uri))
      return std::unexpected(InvalidArgument("{}: expected a URI that starts with s3:// or gs://", uri));
    std::call_once(loaded_, [this] { error_ = Load(); });
    if (!error_.ok()) return std::unexpected(error_);
    return store_.get();
  }

  Status Load() {
    std::string path = options_.library;
    if (const char* named = std::getenv("HEADRACE_ARROW_LIBRARY"); path.empty() && named != nullptr) path = named;
    if (path.empty()) path = "libheadrace_arrow.so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto* make = library == nullptr ? nullptr : reinterpret_cast<MakeStore*>(dlsym(library, kMakeStoreSymbol));
    if (make == nullptr)
      return Unavailable(
          "s3:// and gs:// need libheadrace_arrow.so beside the program's libraries: {}; run ./dev setup "
          "and ./dev build, or name it in HEADRACE_ARROW_LIBRARY",
          dlerror());
    store_.reset(make(options_));
    return OkStatus();
  }

  const RemoteStoreOptions options_;
  std::once_flag loaded_;
  Status error_;
  std::unique_ptr<ArtifactStore> store_;
};

}  // namespace

std::unique_ptr<ArtifactStore> MakeRemoteStore(RemoteStoreOptions options) {
  return std::make_unique<RemoteStore>(std::move(options));
}

}  // namespace headrace::arrow
