// One answer at a time: what the handler filled in, turned into bytes, and how far they have been written.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/net/http.h"
#include "headrace/net/transport.h"

namespace headrace::net {

class ResponseWriter {
 public:
  ResponseWriter() = default;
  ~ResponseWriter() { Reset(); }
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  // What the responder sets; on the handler's thread.
  std::string body;
  std::string headers;  // complete lines
  std::vector<std::pair<std::string_view, std::shared_ptr<const void>>> appended;
  std::string content_type;
  std::filesystem::path file;
  int status = 200;
  bool compress = false;
  bool close = false;  // after this answer

  // On the connection's thread. `date` is the value of the Date header.
  void Compose(const HttpRequest& request, int version, std::string_view date);
  // kDone when all is written.
  IoResult Continue(Transport& transport);
  // Of the composed answer, its head not counted.
  size_t body_bytes() const { return body_bytes_; }
  // Empty for the next answer; keeps moderate buffers.
  void Reset();

 private:
  void OpenFile(const HttpRequest& request);
  void ComposeHead(const HttpRequest& request, int version, std::string_view date, size_t length);
  void Skip(size_t written);

  std::string head_;
  size_t body_bytes_ = 0;
  std::vector<iovec> pieces_;
  size_t next_piece_ = 0;
  int file_ = -1;
  off_t file_offset_ = 0;
  size_t file_left_ = 0;
};

// The part of a file of `size` bytes that "bytes=a-b" asks for. kOk with the whole file when there is no usable header
// (absent, several ranges, another unit); false in `satisfiable` for 416.
struct ByteRange {
  bool partial = false;
  bool satisfiable = true;
  size_t first = 0;
  size_t length = 0;
};
ByteRange ParseRange(std::string_view range, size_t size);

}  // namespace headrace::net
