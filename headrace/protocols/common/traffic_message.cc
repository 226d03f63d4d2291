#include "headrace/protocols/common/traffic_message.h"

#include <algorithm>
#include <cctype>

#include "proto/headrace/serving/v1/traffic.pb.h"

namespace headrace {
namespace {

template <class Message>
Result<serving::VersionRef> RefOf(const Message& message, std::string_view field, int index) {
  if (message.has_label() && !message.label().empty())
    return serving::VersionRef{.version = 0, .label = message.label()};
  if (message.has_version()) return serving::VersionRef{.version = message.version(), .label = {}};
  return std::unexpected(InvalidArgument("traffic.{}[{}]: expected a version or a label", field, index));
}

template <class Message>
void SetRef(const serving::VersionRef& ref, Message* message) {
  if (ref.label.empty())
    message->set_version(ref.version);
  else
    message->set_label(ref.label);
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

Result<serving::TrafficPolicy> FromProto(const serving::v1::TrafficPolicy& message) {
  serving::TrafficPolicy out;
  for (const auto& weight : message.weights()) {
    HR_ASSIGN_OR_UNEXPECTED(auto target, RefOf(weight, "weights", static_cast<int>(out.weights.size())));
    out.weights.push_back({std::move(target), weight.weight()});
  }
  for (const auto& shadow : message.shadows()) {
    HR_ASSIGN_OR_UNEXPECTED(auto target, RefOf(shadow, "shadows", static_cast<int>(out.shadows.size())));
    out.shadows.push_back(std::move(target));
  }
  out.sticky_header = Lower(message.sticky_header());
  out.sticky_input = message.sticky_input();
  if (message.has_shadow_fraction()) out.shadow_fraction = message.shadow_fraction();
  return out;
}

serving::v1::TrafficPolicy ToProto(const serving::TrafficPolicy& traffic) {
  serving::v1::TrafficPolicy message;
  for (const auto& [target, weight] : traffic.weights) {
    auto* added = message.add_weights();
    SetRef(target, added);
    added->set_weight(weight);
  }
  for (const auto& shadow : traffic.shadows) SetRef(shadow, message.add_shadows());
  if (!traffic.sticky_header.empty()) message.set_sticky_header(traffic.sticky_header);
  if (!traffic.sticky_input.empty()) message.set_sticky_input(traffic.sticky_input);
  message.set_shadow_fraction(traffic.shadow_fraction);
  return message;
}

}  // namespace headrace
