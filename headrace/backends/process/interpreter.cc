#include "headrace/backends/process/interpreter.h"

#include <charconv>
#include <cstdlib>

#include "headrace/backends/process/child.h"
#include "headrace/base/files.h"

namespace headrace::process {
namespace {

constexpr int kOldest = 9;
constexpr int kNewest = 15;

constexpr char kProbe[] =
    "import sys, sysconfig; "
    "print(sys.version_info[0], sys.version_info[1], sys.executable); "
    "print(sysconfig.get_config_var('SOABI'), sys.version.split()[0])";

// The last part of an image's name, without registry, tag and digest.
std::string_view BaseName(std::string_view image, std::string_view* tag) {
  image = image.substr(0, image.find('@'));
  const size_t slash = image.rfind('/');
  std::string_view name = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = name.find(':');
  *tag = colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
  return name.substr(0, colon);
}

// Red Hat's: registry.access.redhat.com/ubi9/python-311.
std::optional<PythonImage> ParseUbiImage(std::string_view image) {
  static constexpr std::string_view kRegistry = "registry.access.redhat.com/ubi";
  std::string_view tag;
  const std::string_view name = BaseName(image, &tag);
  if (!image.starts_with(kRegistry) || !name.starts_with("python-3")) return std::nullopt;
  int minor = 0;
  const auto read = std::from_chars(name.data() + 8, name.data() + name.size(), minor);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
  return PythonImage{minor};
}

}  // namespace

std::optional<PythonImage> ParsePythonImage(std::string_view image) {
  std::string_view tag;
  if (const auto ubi = ParseUbiImage(image)) return ubi;
  if (BaseName(image, &tag) != "python") return std::nullopt;
  const std::string_view folder = image.substr(0, image.rfind('/') == std::string_view::npos ? 0 : image.rfind('/'));
  if (!folder.empty() && folder != "library" && folder != "docker.io/library" && folder != "docker.io" &&
      folder != "public.ecr.aws/docker/library" && folder != "mirror.gcr.io/library")
    return std::nullopt;
  PythonImage out;
  if (!tag.starts_with("3.")) {
    const bool any = tag.empty() || tag == "3" || tag.starts_with("3-") || tag == "latest" || tag == "slim" ||
                     tag == "alpine" || tag == "bookworm";
    return any ? std::optional(out) : std::nullopt;
  }
  int minor = 0;
  const auto read = std::from_chars(tag.data() + 2, tag.data() + tag.size(), minor);
  if (read.ec != std::errc()) return std::nullopt;
  out.minor = minor;
  return out;
}

bool IsHeadraceImage(std::string_view image) {
  std::string_view tag;
  return BaseName(image, &tag) == "headrace";
}

std::optional<Interpreter> InterpreterFinder::Probe(const std::string& name) {
  const auto [entry, first] = probed_.try_emplace(name);
  if (!first) return entry->second;
  const TempDir folder;
  ChildSpec spec{.argv = {name, "-I", "-c", kProbe}, .env = {}, .work_dir = folder.path()};
  for (const char* variable : {"PATH", "HOME"})
    if (const char* value = std::getenv(variable)) spec.env[variable] = value;
  std::string text;
  const StopToken never;
  const auto exit = RunChild(spec, never, std::chrono::seconds(20), [&](std::string_view bytes) { text += bytes; });
  if (!exit || exit->code != 0) return std::nullopt;
  const size_t end = text.find('\n');
  int major = 0;
  Interpreter out;
  const char* last = text.data() + text.size();
  const auto read = std::from_chars(text.data(), last, major);
  if (read.ec != std::errc() || major != 3 || read.ptr + 1 >= last || end == std::string::npos) return std::nullopt;
  const auto read_minor = std::from_chars(read.ptr + 1, last, out.minor);
  if (read_minor.ec != std::errc() || out.minor < kOldest || *read_minor.ptr != ' ') return std::nullopt;
  out.path = text.substr(static_cast<size_t>(read_minor.ptr + 1 - text.data()),
                         end - static_cast<size_t>(read_minor.ptr + 1 - text.data()));
  out.abi = text.substr(end + 1, text.find('\n', end + 1) - end - 1);
  entry->second = out;
  return out;
}

Result<Interpreter> InterpreterFinder::Find(std::optional<int> minor) {
  const MutexLock lock(mutex_);
  if (minor)
    if (auto found = Probe("python3." + std::to_string(*minor))) return *found;
  if (auto found = Probe("python3")) return *found;
  for (int other = kNewest; other >= kOldest; other--)
    if (auto found = Probe("python3." + std::to_string(other))) return *found;
  return std::unexpected(
      NotFound("no Python of at least 3.{} in PATH; install one (Debian: apt-get install python3)", kOldest));
}

}  // namespace headrace::process
