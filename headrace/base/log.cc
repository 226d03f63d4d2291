#include "headrace/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstring>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"

namespace headrace {
namespace {

// "headrace/serving/manager.cc:42" whatever the build folder.
std::string Place(const spdlog::source_loc& source) {
  if (source.empty()) return "-";
  const char* in_tree = std::strstr(source.filename, "headrace/");
  for (const char* next = in_tree; next; next = std::strstr(next + 1, "headrace/")) in_tree = next;
  return fmt::format("{}:{}", in_tree ? in_tree + std::strlen("headrace/") : source.filename, source.line);
}

class Formatter : public spdlog::formatter {
 public:
  explicit Formatter(LogFormat format) : format_(format) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto time = FormatTime(std::chrono::time_point_cast<TimePoint::duration>(message.time));
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string_view text(message.payload.data(), message.payload.size());
    if (format_ == LogFormat::kJson) {
      const json::object line{{"time", time},
                              {"level", std::string_view(level.data(), level.size())},
                              {"source", Place(message.source)},
                              {"message", text}};
      fmt::format_to(std::back_inserter(out), "{}\n", ToJson(line));
      return;
    }
    fmt::format_to(std::back_inserter(out), "{} {} {} {}\n", time, std::string_view(level.data(), level.size()),
                   Place(message.source), text);
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<Formatter>(format_); }

 private:
  LogFormat format_;
};

}  // namespace

Status InitLogging(std::string_view level, LogFormat format) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off")
    return InvalidArgument("log level \"{}\": expected trace, debug, info, warn, err, critical or off", level);
  auto logger = spdlog::stderr_logger_mt("headrace");
  logger->set_formatter(std::make_unique<Formatter>(format));
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
  return OkStatus();
}

}  // namespace headrace
