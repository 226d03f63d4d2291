// Errors as values. Every fallible function returns Status or Result<T>; nothing in Headrace's own code throws, and
// exceptions of third-party libraries are caught in the one room that includes them.
//
// The codes are gRPC's canonical ones (google/rpc/code.proto), numbers included, so that a Status crosses gRPC
// unchanged and one table maps it to HTTP. Values are immutable after construction and safe to share between threads.
#pragma once
#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace headrace {

enum class Code : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on, as google.rpc.Code prints them.
std::string_view CodeName(Code code);
// The HTTP status of google/rpc/code.proto's comments (kCancelled is 499).
int HttpStatus(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // "NOT_FOUND: no such model"; "OK".
  std::string ToString() const;
  // The same code with `context` and ": " put before the message; OK stays OK.
  Status WithContext(std::string_view context) const;
  // Says that this error may be dropped on purpose.
  void IgnoreError() const {}

  friend bool operator==(const Status&, const Status&) = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

template <class T>
using Result = std::expected<T, Status>;

inline Status OkStatus() { return {}; }

namespace internal {
inline const Status& AsStatus(const Status& status) { return status; }
template <class T>
Status AsStatus(const Result<T>& result) {
  return result ? Status() : result.error();
}
}  // namespace internal

// One factory per error code: InvalidArgument("field {}: expected a number, found \"{}\"", name, value). A message
// names the field, the value and what was expected, and ends without a full stop.
#define HR_STATUS_FACTORY(name)                                                     \
  template <class... Args>                                                          \
  [[nodiscard]] Status name(fmt::format_string<Args...> format, Args&&... args) {   \
    return Status(Code::k##name, fmt::format(format, std::forward<Args>(args)...)); \
  }
HR_STATUS_FACTORY(Cancelled)
HR_STATUS_FACTORY(Unknown)
HR_STATUS_FACTORY(InvalidArgument)
HR_STATUS_FACTORY(DeadlineExceeded)
HR_STATUS_FACTORY(NotFound)
HR_STATUS_FACTORY(AlreadyExists)
HR_STATUS_FACTORY(PermissionDenied)
HR_STATUS_FACTORY(ResourceExhausted)
HR_STATUS_FACTORY(FailedPrecondition)
HR_STATUS_FACTORY(Aborted)
HR_STATUS_FACTORY(OutOfRange)
HR_STATUS_FACTORY(Unimplemented)
HR_STATUS_FACTORY(Internal)
HR_STATUS_FACTORY(Unavailable)
HR_STATUS_FACTORY(DataLoss)
HR_STATUS_FACTORY(Unauthenticated)
#undef HR_STATUS_FACTORY

// Status of the calling thread's errno `error_number`, with the nearest code (ENOENT is kNotFound, ...):
// "CONTEXT: No such file or directory".
Status ErrnoStatus(int error_number, std::string_view context);

}  // namespace headrace

#define HR_CONCAT_INNER(a, b) a##b
#define HR_CONCAT(a, b) HR_CONCAT_INNER(a, b)

// Returns from the enclosing function, which yields Status, when `expression` (a Status or Result) is an error.
#define HR_RETURN_IF_ERROR(expression)                                                                  \
  do {                                                                                                  \
    if (auto hr_status = ::headrace::internal::AsStatus(expression); !hr_status.ok()) return hr_status; \
  } while (false)

// The same inside a function that yields Result<T>.
#define HR_UNEXPECTED_IF_ERROR(expression)                                            \
  do {                                                                                \
    if (auto hr_status = ::headrace::internal::AsStatus(expression); !hr_status.ok()) \
      return std::unexpected(std::move(hr_status));                                   \
  } while (false)

// HR_ASSIGN_OR_RETURN(auto file, Open(path)): in a function that yields Status.
#define HR_ASSIGN_OR_RETURN(declaration, expression)                                               \
  auto HR_CONCAT(hr_result_, __LINE__) = (expression);                                             \
  if (!HR_CONCAT(hr_result_, __LINE__)) return std::move(HR_CONCAT(hr_result_, __LINE__)).error(); \
  declaration = *std::move(HR_CONCAT(hr_result_, __LINE__))

// HR_ASSIGN_OR_UNEXPECTED(auto file, Open(path)): in a function that yields Result<T>.
#define HR_ASSIGN_OR_UNEXPECTED(declaration, expression)                                                            \
  auto HR_CONCAT(hr_result_, __LINE__) = (expression);                                                              \
  if (!HR_CONCAT(hr_result_, __LINE__)) return std::unexpected(std::move(HR_CONCAT(hr_result_, __LINE__)).error()); \
  declaration = *std::move(HR_CONCAT(hr_result_, __LINE__))
