// Between headrace.serving.v1.TrafficPolicy, the message, and the plain value that the model server works with.
#pragma once
#include "headrace/base/status.h"
#include "headrace/serving/model_config.h"

namespace headrace::serving::v1 {
class TrafficPolicy;
}

namespace headrace {

// kInvalidArgument, naming the field, for a weight or shadow that names neither version nor label. Whether versions and
// labels exist is not looked at.
Result<serving::TrafficPolicy> FromProto(const serving::v1::TrafficPolicy& message);
serving::v1::TrafficPolicy ToProto(const serving::TrafficPolicy& traffic);

}  // namespace headrace
