// The store inside libheadrace_arrow.so.
#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/filesystem_library.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/config.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "headrace/backends/arrow/module/cache.h"
#include "headrace/backends/arrow/module/remote_uri.h"
#include "headrace/backends/arrow/remote_store.h"
#include "headrace/base/files.h"
#include "headrace/base/mutex.h"

namespace headrace::arrow {
namespace {

namespace afs = ::arrow::fs;
namespace fs = std::filesystem;

constexpr int64_t kChunk = 8 << 20;
constexpr int32_t kDepth = 1 << 20;  // Arrow adds to it

// `uri` goes before the message.
Status FromArrow(const ::arrow::Status& status, std::string_view uri) {
  if (status.ok()) return OkStatus();
  Code code = Code::kUnavailable;
  if (status.IsInvalid() || status.IsTypeError()) code = Code::kInvalidArgument;
  if (status.IsNotImplemented()) code = Code::kUnimplemented;
  if (status.IsKeyError()) code = Code::kNotFound;
  if (status.IsOutOfMemory()) code = Code::kResourceExhausted;
  return Status(code, std::string(uri) + ": " + status.message());
}

template <class T>
Result<T> FromArrow(::arrow::Result<T> result, std::string_view uri) {
  if (result.ok()) return *std::move(result);
  return std::unexpected(FromArrow(result.status(), uri));
}

// Registers S3, which is a library of its own beside Arrow's.
Status RegisterS3() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&afs::LoadFileSystemFactories), &info) == 0) return OkStatus();
  const fs::path library = fs::path(info.dli_fname).parent_path() / "libarrow_s3.so." ARROW_SO_VERSION;
  const auto loaded = afs::LoadFileSystemFactories(library.c_str());
  return loaded.ok() ? OkStatus() : Unavailable("{}: {}", library.string(), loaded.message());
}

// Arrow's file systems must end before the static objects that they made, which the process destroys newest first: to
// be called after each attempt to make one.
void EndFileSystemsAtExit() {
  std::atexit([] { afs::EnsureFinalized(); });
}

struct Place {
  std::shared_ptr<afs::FileSystem> file_system;
  RemoteUri uri;
};

std::string_view Relative(const std::string& path, const std::string& base) {
  std::string_view relative(path);
  relative.remove_prefix(std::min(relative.size(), base.size()));
  while (relative.starts_with('/')) relative.remove_prefix(1);
  return relative;
}

class ArrowStore : public ArtifactStore {
 public:
  explicit ArrowStore(const RemoteStoreOptions& options) : schemes_(options.schemes), cache_(options.cache) {}

  bool Serves(std::string_view uri) const override {
    return std::find(schemes_.begin(), schemes_.end(), uri.substr(0, uri.find("://"))) != schemes_.end();
  }

  Result<std::string> Read(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(const Place place, Find(uri));
    HR_ASSIGN_OR_UNEXPECTED(const afs::FileInfo info, Info(place, uri));
    if (info.type() != afs::FileType::File) return std::unexpected(NotFound("{}: there is no such file", uri));
    std::string content;
    const auto append = [&](const ::arrow::Buffer& chunk) {
      content.append(reinterpret_cast<const char*>(chunk.data()), static_cast<size_t>(chunk.size()));
      return OkStatus();
    };
    HR_UNEXPECTED_IF_ERROR(ForChunks(place, info.path(), uri, append));
    return content;
  }

  Result<fs::path> Localize(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(const Place place, Find(uri));
    HR_ASSIGN_OR_UNEXPECTED(const afs::FileInfo info, Info(place, uri));
    if (info.type() == afs::FileType::NotFound) return std::unexpected(NotFound("{}: there is nothing there", uri));
    std::vector<afs::FileInfo> files = {info};
    if (info.type() == afs::FileType::Directory) {
      HR_ASSIGN_OR_UNEXPECTED(files, Select(place, uri, true));
      std::erase_if(files, [](const auto& file) { return file.type() != afs::FileType::File; });
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path() < b.path(); });
    std::string state;
    for (const auto& file : files)
      state += fmt::format("{}\n{}\n{}\n", file.path(), file.size(), file.mtime().time_since_epoch().count());
    return cache_.Get(uri, Sha256(state), fs::path(place.uri.path).filename().string(), [&](const fs::path& target) {
      for (const auto& file : files) HR_RETURN_IF_ERROR(Fetch(place, file, uri, target));
      return OkStatus();
    });
  }

  Status Put(const fs::path& source, std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(const Place place, Find(uri));
    MutexLock lock(put_mutex_);
    HR_ASSIGN_OR_RETURN(const afs::FileInfo info, Info(place, uri));
    if (info.type() != afs::FileType::NotFound) return AlreadyExists("{} is there already", uri);
    std::error_code error;
    if (fs::is_regular_file(source, error)) return Upload(source, place, place.uri.path, uri);
    std::vector<fs::path> files;
    for (auto it = fs::recursive_directory_iterator(source, error); !error && it != fs::recursive_directory_iterator();
         it.increment(error))
      if (it->is_regular_file(error)) files.push_back(it->path());
    if (error) return ErrnoStatus(error.value(), source.string());
    // Deep files first: what makes a folder a model lies at its top.
    const auto depth = [](const fs::path& path) { return std::distance(path.begin(), path.end()); };
    std::sort(files.begin(), files.end(), [&](const auto& a, const auto& b) {
      return std::make_pair(-depth(a), a) < std::make_pair(-depth(b), b);
    });
    for (const auto& file : files)
      HR_RETURN_IF_ERROR(Upload(file, place, place.uri.path + "/" + fs::relative(file, source).generic_string(), uri));
    return OkStatus();
  }

  Result<std::vector<ArtifactEntry>> List(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(const Place place, Find(uri));
    HR_ASSIGN_OR_UNEXPECTED(const afs::FileInfo info, Info(place, uri));
    if (info.type() == afs::FileType::NotFound) return std::unexpected(NotFound("{}: there is nothing there", uri));
    std::vector<ArtifactEntry> entries;
    if (info.type() == afs::FileType::File) return entries;
    std::string base(uri.substr(0, uri.find('?')));
    while (base.ends_with('/')) base.pop_back();
    HR_ASSIGN_OR_UNEXPECTED(const auto children, Children(place, uri));
    for (const auto& [name, bytes] : children)
      entries.push_back({base + "/" + name + place.uri.query, bytes.value_or(0), !bytes});
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.uri < b.uri; });
    return entries;
  }

  Status Remove(std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(const Place place, Find(uri));
    HR_ASSIGN_OR_RETURN(const afs::FileInfo info, Info(place, uri));
    if (info.type() == afs::FileType::NotFound) return NotFound("{}: there is nothing there", uri);
    if (info.type() == afs::FileType::File) return FromArrow(place.file_system->DeleteFile(info.path()), uri);
    const auto deleted = place.file_system->DeleteDir(info.path());
    if (deleted.ok()) return OkStatus();
    // Google's last step is to delete the folder's own object, which need not be there.
    HR_ASSIGN_OR_RETURN(const afs::FileInfo left, Info(place, uri));
    return left.type() == afs::FileType::NotFound ? OkStatus() : FromArrow(deleted, uri);
  }

 private:
  Result<Place> Find(std::string_view uri) {
    static const Status registered = RegisterS3();
    if (uri.starts_with("s3:")) HR_UNEXPECTED_IF_ERROR(registered);
    Place place;
    HR_ASSIGN_OR_UNEXPECTED(place.uri, ParseRemoteUri(uri));
    MutexLock lock(mutex_);
    const auto [known, added] = file_systems_.try_emplace(place.uri.file_system);
    if (known->second == nullptr) {
      auto made = afs::FileSystemFromUri(place.uri.file_system);
      if (added) EndFileSystemsAtExit();
      HR_ASSIGN_OR_UNEXPECTED(known->second, FromArrow(std::move(made), uri));
    }
    place.file_system = known->second;
    return place;
  }

  static Result<afs::FileInfo> Info(const Place& place, std::string_view uri) {
    return FromArrow(place.file_system->GetFileInfo(place.uri.path), uri);
  }

  // What is below a folder: all of it, or its direct children.
  static Result<std::vector<afs::FileInfo>> Select(const Place& place, std::string_view uri, bool tree) {
    afs::FileSelector selector;
    selector.base_dir = place.uri.path;
    selector.recursive = tree;
    selector.max_recursion = kDepth;
    return FromArrow(place.file_system->GetFileInfo(selector), uri);
  }

  // The direct children's names, and the bytes of those that are files. Of Google's folders Arrow lists only those with
  // an object of their own, which most tools do not make: the others show in the names of what is below them.
  static Result<std::map<std::string, std::optional<int64_t>>> Children(const Place& place, std::string_view uri) {
    HR_ASSIGN_OR_UNEXPECTED(const auto found, Select(place, uri, place.file_system->type_name() == "gcs"));
    std::map<std::string, std::optional<int64_t>> children;
    for (const auto& info : found) {
      const std::string_view relative = Relative(info.path(), place.uri.path);
      const std::string_view name = relative.substr(0, relative.find('/'));
      const bool is_file = name == relative && info.type() == afs::FileType::File;
      children.insert_or_assign(std::string(name), is_file ? std::optional(info.size()) : std::nullopt);
    }
    return children;
  }

  template <class Take>
  static Status ForChunks(const Place& place, const std::string& path, std::string_view uri, Take take) {
    HR_ASSIGN_OR_RETURN(const auto input, FromArrow(place.file_system->OpenInputStream(path), uri));
    for (;;) {
      HR_ASSIGN_OR_RETURN(const auto chunk, FromArrow(input->Read(kChunk), uri));
      if (chunk->size() == 0) return FromArrow(input->Close(), uri);
      HR_RETURN_IF_ERROR(take(*chunk));
    }
  }

  static Status Fetch(const Place& place, const afs::FileInfo& file, std::string_view uri, const fs::path& target) {
    const std::string_view relative = Relative(file.path(), place.uri.path);
    const fs::path path = relative.empty() ? target : target / relative;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    std::ofstream out(path, std::ios::binary);
    const auto write = [&](const ::arrow::Buffer& chunk) {
      out.write(reinterpret_cast<const char*>(chunk.data()), chunk.size());
      return out ? OkStatus() : ResourceExhausted("cannot write {}", path.string());
    };
    HR_RETURN_IF_ERROR(ForChunks(place, file.path(), uri, write));
    out.close();
    return out ? OkStatus() : ResourceExhausted("cannot write {}", path.string());
  }

  static Status Upload(const fs::path& source, const Place& place, const std::string& path, std::string_view uri) {
    std::ifstream in(source, std::ios::binary);
    if (!in) return NotFound("cannot read {}", source.string());
    if (place.uri.file_system.starts_with("file:"))
      HR_RETURN_IF_ERROR(FromArrow(place.file_system->CreateDir(fs::path(path).parent_path().string()), uri));
    HR_ASSIGN_OR_RETURN(const auto output, FromArrow(place.file_system->OpenOutputStream(path), uri));
    std::vector<char> chunk(static_cast<size_t>(kChunk));
    while (in.read(chunk.data(), kChunk) || in.gcount() > 0)
      HR_RETURN_IF_ERROR(FromArrow(output->Write(chunk.data(), in.gcount()), uri));
    return FromArrow(output->Close(), uri);
  }

  const std::vector<std::string> schemes_;
  const Cache cache_;
  Mutex put_mutex_;  // held while files are written: the trees of two would mix
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<afs::FileSystem>> file_systems_ HR_GUARDED_BY(mutex_);
};

}  // namespace
}  // namespace headrace::arrow

extern "C" __attribute__((visibility("default"))) headrace::ArtifactStore* HeadraceMakeArrowStore(
    const headrace::arrow::RemoteStoreOptions& options) {
  return new headrace::arrow::ArrowStore(options);
}
