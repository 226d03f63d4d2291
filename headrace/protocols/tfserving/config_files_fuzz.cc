// Any text is refused, or is a configuration that can be served and whose traffic policies survive their message.
#include "headrace/protocols/common/traffic_message.h"
#include "headrace/protocols/tfserving/config_files.h"
#include "proto/headrace/serving/v1/traffic.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto config = tfserving::ParseModelConfig(text)) {
    if (!serving::Validate(*config).ok()) __builtin_trap();
    for (const auto& model : config->models)
      if (const auto again = FromProto(ToProto(model.traffic)); !again || !(*again == model.traffic)) __builtin_trap();
  }
  static_cast<void>(tfserving::ParseBatchingParameters(text));
  static_cast<void>(tfserving::ParseMonitoringConfig(text));
  static_cast<void>(tfserving::ParseSslConfig(text));
  return 0;
}
