#include "headrace/base/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

namespace headrace {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

Status SyncPath(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoStatus(errno, path.string());
  if (::fsync(file.get()) != 0) return ErrnoStatus(errno, "fsync " + path.string());
  return OkStatus();
}

Status ErrorOf(const std::error_code& error, const fs::path& path) { return ErrnoStatus(error.value(), path.string()); }

std::string Hex(const unsigned char* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (size_t i = 0; i < size; i++) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

class Hasher {
 public:
  Hasher() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(const void* data, size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  void Add(std::string_view text) { Add(text.data(), text.size()); }
  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &size);
    return Hex(digest, size);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Result<std::string> Sha256OfFile(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::unexpected(ErrnoStatus(errno, path.string()));
  Hasher hasher;
  std::vector<char> block(1 << 20);
  for (;;) {
    const ssize_t size = ::read(file.get(), block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(ErrnoStatus(errno, path.string()));
    if (size == 0) return hasher.Finish();
    hasher.Add(block.data(), static_cast<size_t>(size));
  }
}

Status WriteAll(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t size = ::write(fd, content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, path.string());
    content.remove_prefix(static_cast<size_t>(size));
  }
  return OkStatus();
}

}  // namespace

Result<std::string> ReadFile(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::unexpected(ErrnoStatus(errno, path.string()));
  std::string content;
  const off_t known = ::lseek(file.get(), 0, SEEK_END);
  if (known > 0) content.reserve(static_cast<size_t>(known));
  if (known >= 0) ::lseek(file.get(), 0, SEEK_SET);
  std::vector<char> block(1 << 16);
  for (;;) {
    const ssize_t size = ::read(file.get(), block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(ErrnoStatus(errno, path.string()));
    if (size == 0) return content;
    content.append(block.data(), static_cast<size_t>(size));
  }
}

Status WriteFileAtomically(const fs::path& path, std::string_view content) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return ErrorOf(error, folder);
  const fs::path aside = folder / fmt::format(".{}.{}", path.filename().string(), NewUuid());
  {
    Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file) return ErrnoStatus(errno, aside.string());
    Status written = WriteAll(file.get(), content, aside);
    if (written.ok() && ::fsync(file.get()) != 0) written = ErrnoStatus(errno, "fsync " + aside.string());
    if (!written.ok()) {
      ::unlink(aside.c_str());
      return written;
    }
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    ::unlink(aside.c_str());
    return ErrnoStatus(reason, path.string());
  }
  return SyncPath(folder);
}

Status SyncTree(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      if (it->is_regular_file() || it->is_directory()) HR_RETURN_IF_ERROR(SyncPath(it->path()));
    if (error) return ErrorOf(error, path);
  }
  return SyncPath(path);
}

Status PublishByRename(const fs::path& source, const fs::path& target) {
  HR_RETURN_IF_ERROR(SyncTree(source));
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return ErrorOf(error, folder);
  if (::renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
    return ErrnoStatus(errno, fmt::format("{} -> {}", source.string(), target.string()));
  return SyncPath(folder);
}

std::string Sha256(std::string_view bytes) {
  Hasher hasher;
  hasher.Add(bytes);
  return hasher.Finish();
}

Result<std::string> Sha256OfTree(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return Sha256OfFile(path);
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    if (it->is_regular_file()) files.push_back(it->path());
  if (error) return std::unexpected(ErrorOf(error, path));
  std::ranges::sort(files);
  Hasher hasher;
  for (const auto& file : files) {
    HR_ASSIGN_OR_UNEXPECTED(const std::string digest, Sha256OfFile(file));
    hasher.Add(fmt::format("{} {}\n", digest, file.lexically_relative(path).generic_string()));
  }
  return hasher.Finish();
}

std::string NewUuid() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) std::abort();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = Hex(bytes, sizeof bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

TempDir::TempDir(const fs::path& parent) {
  std::string pattern = ((parent.empty() ? fs::temp_directory_path() : parent) / "headrace-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) {
    fmt::print(stderr, "{}\n", ErrnoStatus(errno, pattern).ToString());
    std::abort();
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace headrace
