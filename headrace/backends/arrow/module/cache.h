// The local copies of remote files and trees.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::arrow {

// Thread-safe; also between processes, since a copy appears by a rename.
class Cache {
 public:
  explicit Cache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The copy of `uri` in the state `digest`. When there is none, `fetch` fills the path that it is given (which does
  // not exist) and the copies of all but the newest former state are removed. `name` is the copy's file name.
  Result<std::filesystem::path> Get(std::string_view uri, std::string_view digest, const std::string& name,
                                    const std::function<Status(const std::filesystem::path&)>& fetch) const;

 private:
  const std::filesystem::path folder_;
};

}  // namespace headrace::arrow
