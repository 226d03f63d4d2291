// Python interpreters on this machine, and which of them stands for an image.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/base/status.h"

namespace headrace::process {

// python:3.11-slim is {3, 11}; python:3 and python are {3, nothing}.
struct PythonImage {
  std::optional<int> minor;
};
// Nothing when `image` is neither Python's own (docker.io/library/python) nor Red Hat's (ubi9/python-311).
std::optional<PythonImage> ParsePythonImage(std::string_view image);
// "headrace", with any tag and registry: this program's own image.
bool IsHeadraceImage(std::string_view image);

struct Interpreter {
  std::filesystem::path path;
  int minor = 0;
  std::string abi;  // "cpython-311-x86_64-linux-gnu 3.11.2": what compiled packages depend on
};

// Thread-safe. Looks in PATH for python3.N and python3, newest last asked; each is run once to learn what it is.
class InterpreterFinder {
 public:
  // Of version 3.`minor` when given and there; else python3, else any that is at least 3.9. kNotFound says how to get
  // one.
  Result<Interpreter> Find(std::optional<int> minor);

 private:
  // Of the program `name` in PATH; nothing when it is not there, does not run or is too old.
  std::optional<Interpreter> Probe(const std::string& name) HR_REQUIRES(mutex_);

  Mutex mutex_;
  std::map<std::string, std::optional<Interpreter>> probed_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace::process
