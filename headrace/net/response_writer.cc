#include "headrace/net/response_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "headrace/net/compression.h"

namespace headrace::net {
namespace {

constexpr size_t kKeptBytes = 1 << 20;
constexpr size_t kCompressFrom = 512;

void AppendNumber(std::string& out, size_t number) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

bool HasLength(int status) { return status >= 200 && status != 204 && status != 304; }

std::optional<size_t> ParseSize(std::string_view text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

ByteRange ParseRange(std::string_view range, size_t size) {
  ByteRange whole{.length = size};
  constexpr std::string_view kUnit = "bytes=";
  const size_t dash = range.find('-');
  if (!range.starts_with(kUnit) || range.contains(',') || dash == range.npos) return whole;
  const std::string_view first = range.substr(kUnit.size(), dash - kUnit.size());
  const std::string_view last = range.substr(dash + 1);
  const auto from = ParseSize(first);
  const auto to = ParseSize(last);
  if (first.empty()) {
    if (!to) return whole;
    const size_t length = std::min(*to, size);
    return {.partial = true, .satisfiable = length > 0, .first = size - length, .length = length};
  }
  if (!from || (!last.empty() && (!to || *to < *from))) return whole;
  if (*from >= size) return {.partial = true, .satisfiable = false};
  return {.partial = true, .first = *from, .length = std::min(to.value_or(size - 1), size - 1) - *from + 1};
}

void ResponseWriter::OpenFile(const HttpRequest& request) {
  file_ = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status_of{};
  if (file_ < 0 || fstat(file_, &status_of) != 0 || !S_ISREG(status_of.st_mode)) {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    status = 404;
    return;
  }
  const auto size = static_cast<size_t>(status_of.st_size);
  const ByteRange range = ParseRange(request.header("range").value_or(""), size);
  headers += "Accept-Ranges: bytes\r\n";
  file_offset_ = static_cast<off_t>(range.first);
  file_left_ = range.length;
  if (!range.partial || status != 200) return;
  status = range.satisfiable ? 206 : 416;
  headers += "Content-Range: bytes ";
  if (range.satisfiable) {
    AppendNumber(headers, range.first);
    headers += '-';
    AppendNumber(headers, range.first + range.length - 1);
  } else {
    headers += '*';
  }
  headers += '/';
  AppendNumber(headers, size);
  headers += "\r\n";
}

void ResponseWriter::ComposeHead(const HttpRequest& request, int version, std::string_view date, size_t length) {
  head_.clear();
  if (status == 200) {
    head_ += "HTTP/1.1 200 OK\r\n";
  } else {
    head_ += "HTTP/1.1 ";
    AppendNumber(head_, static_cast<size_t>(status));
    head_ += ' ';
    head_ += HttpReason(status);
    head_ += "\r\n";
  }
  head_ += "Date: ";
  head_ += date;
  if (!content_type.empty()) {
    head_ += "\r\nContent-Type: ";
    head_ += content_type;
  }
  if (HasLength(status)) {
    head_ += "\r\nContent-Length: ";
    AppendNumber(head_, length);
  }
  if (close) {
    head_ += "\r\nConnection: close";
  } else if (version == 10) {
    head_ += "\r\nConnection: keep-alive";
  }
  head_ += "\r\n";
  head_ += headers;
  head_ += "\r\n";
  const bool body_allowed = HasLength(status) && request.method() != "HEAD";
  pieces_.push_back({head_.data(), head_.size()});
  if (!body_allowed) {
    file_left_ = 0;
    return;
  }
  if (!body.empty()) pieces_.push_back({body.data(), body.size()});
  for (const auto& [bytes, owner] : appended)
    if (!bytes.empty()) pieces_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
}

void ResponseWriter::Compose(const HttpRequest& request, int version, std::string_view date) {
  if (!file.empty()) OpenFile(request);
  if (compress) {
    const Encoding encoding = PreferredEncoding(request.header("accept-encoding").value_or(""));
    std::string small;
    if (encoding != Encoding::kIdentity && appended.empty() && file.empty() && body.size() >= kCompressFrom &&
        Deflate(encoding, body, &small).ok()) {
      body.swap(small);
      headers += "Content-Encoding: ";
      headers += EncodingName(encoding);
      headers += "\r\n";
    }
    headers += "Vary: Accept-Encoding\r\n";
  }
  size_t length = body.size() + file_left_;
  for (const auto& piece : appended) length += piece.first.size();
  body_bytes_ = length;
  ComposeHead(request, version, date, length);
}

void ResponseWriter::Skip(size_t written) {
  while (next_piece_ < pieces_.size()) {
    iovec& piece = pieces_[next_piece_];
    if (written < piece.iov_len) {
      piece.iov_base = static_cast<char*>(piece.iov_base) + written;
      piece.iov_len -= written;
      return;
    }
    written -= piece.iov_len;
    next_piece_++;
  }
}

IoResult ResponseWriter::Continue(Transport& transport) {
  size_t count = 0;
  while (next_piece_ < pieces_.size()) {
    const auto io = transport.Write(std::span(pieces_).subspan(next_piece_), &count);
    if (io != IoResult::kDone) return io;
    Skip(count);
  }
  while (file_left_ > 0) {
    const auto io = transport.SendFile(file_, &file_offset_, file_left_, &count);
    if (io != IoResult::kDone) return io;
    file_left_ -= count;
  }
  return IoResult::kDone;
}

void ResponseWriter::Reset() {
  if (body.capacity() > kKeptBytes) std::string().swap(body);
  body.clear();
  headers.clear();
  appended.clear();
  content_type.clear();
  file.clear();
  status = 200;
  compress = close = false;
  pieces_.clear();
  next_piece_ = 0;
  file_left_ = 0;
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

}  // namespace headrace::net
