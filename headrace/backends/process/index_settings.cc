#include <cstdlib>
#include <sstream>

#include "headrace/backends/process/environment_cache.h"
#include "headrace/base/files.h"

extern char** environ;

namespace headrace::process {
namespace fs = std::filesystem;
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The settings of [global] and [install] in a pip.conf: "key = value", where a value may go on in indented lines.
void ReadPipConf(const fs::path& file, std::map<std::string, std::string>* settings) {
  const auto text = ReadFile(file);
  if (!text) return;
  std::istringstream lines(*text);
  std::string line;
  std::string key;
  bool ours = false;
  while (std::getline(lines, line)) {
    const size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string::npos || line[start] == '#' || line[start] == ';') continue;
    if (line[start] == '[') {
      ours = line.starts_with("[global]") || line.starts_with("[install]");
      key.clear();
      continue;
    }
    if (!ours) continue;
    if (start > 0 && !key.empty()) {
      (*settings)[key] += " " + line.substr(start);
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    key = line.substr(0, line.find_last_not_of(" \t", equals - 1) + 1);
    const size_t value = line.find_first_not_of(" \t", equals + 1);
    (*settings)[key] = value == std::string::npos ? "" : line.substr(value);
  }
}

std::map<std::string, std::string> PipSettings() {
  std::map<std::string, std::string> settings;
  ReadPipConf("/etc/pip.conf", &settings);
  ReadPipConf("/etc/xdg/pip/pip.conf", &settings);
  if (const std::string home = Variable("HOME"); !home.empty()) {
    ReadPipConf(fs::path(home) / ".pip/pip.conf", &settings);
    ReadPipConf(fs::path(home) / ".config/pip/pip.conf", &settings);
  }
  if (const std::string file = Variable("PIP_CONFIG_FILE"); !file.empty()) ReadPipConf(file, &settings);
  static constexpr std::pair<const char*, const char*> kVariables[] = {{"PIP_INDEX_URL", "index-url"},
                                                                       {"PIP_EXTRA_INDEX_URL", "extra-index-url"},
                                                                       {"PIP_FIND_LINKS", "find-links"},
                                                                       {"PIP_TRUSTED_HOST", "trusted-host"},
                                                                       {"PIP_CERT", "cert"}};
  for (const auto& [variable, setting] : kVariables)
    if (const std::string value = Variable(variable); !value.empty()) settings[setting] = value;
  return settings;
}

void AddEach(const std::map<std::string, std::string>& settings, const std::string& setting, const std::string& option,
             std::vector<std::string>* out) {
  const auto found = settings.find(setting);
  if (found == settings.end()) return;
  std::istringstream words(found->second);
  for (std::string word; words >> word;) {
    out->push_back(option);
    out->push_back(word);
  }
}

bool IsPassedOn(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "HOME",       "PATH",        "XDG_CACHE_HOME", "http_proxy",    "https_proxy",  "no_proxy",
      "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",       "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
      "NETRC",      "LANG",        "ALL_PROXY",      "all_proxy",     "TMPDIR",       "REQUESTS_CA_BUNDLE"};
  for (const auto known : kNames)
    if (name == known) return true;
  return name.starts_with("UV_");
}

// uv brings authorities of its own; a company's, which its proxies sign with, are known to the system or to pip only.
std::string TrustedCertificates(const std::map<std::string, std::string>& pip) {
  if (const auto found = pip.find("cert"); found != pip.end() && !found->second.empty()) return found->second;
  for (const char* bundle : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"})
    if (std::error_code error; std::filesystem::exists(bundle, error)) return bundle;
  return "";
}

}  // namespace

IndexSettings ReadIndexSettings() {
  IndexSettings out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos && IsPassedOn(text.substr(0, equals)))
      out.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  const auto settings = PipSettings();
  if (!out.environment.contains("SSL_CERT_FILE") && !out.environment.contains("SSL_CERT_DIR"))
    if (auto certificates = TrustedCertificates(settings); !certificates.empty())
      out.environment["SSL_CERT_FILE"] = std::move(certificates);
  // What uv itself was told goes before what pip was.
  if (out.environment.contains("UV_DEFAULT_INDEX") || out.environment.contains("UV_INDEX_URL")) return out;
  AddEach(settings, "index-url", "--default-index", &out.uv_options);
  AddEach(settings, "extra-index-url", "--index", &out.uv_options);
  AddEach(settings, "find-links", "--find-links", &out.uv_options);
  AddEach(settings, "trusted-host", "--allow-insecure-host", &out.uv_options);
  return out;
}

}  // namespace headrace::process
