// ModelSpec between its generated message and what this room works with.
#pragma once
#include "headrace/protocols/tfserving/predict_wire.h"
#include "headrace/serving/servable_handle.h"
#include "proto/tfserving/model_service.pb.h"

namespace headrace::tfserving {

// Points into `spec`.
inline ModelSpecView ViewOf(const ::tensorflow::serving::ModelSpec& spec) {
  ModelSpecView view{.present = true,
                     .name = spec.name(),
                     .version = {},
                     .label = spec.version_label(),
                     .signature = spec.signature_name()};
  if (spec.has_version()) view.version = spec.version().value();
  return view;
}

// What answered. `signature` is left out when empty.
inline void SetSpec(const serving::ServableHandle& servable, std::string_view signature,
                    ::tensorflow::serving::ModelSpec* spec) {
  spec->set_name(servable.model());
  spec->mutable_version()->set_value(servable.version());
  spec->set_signature_name(std::string(signature));
}

}  // namespace headrace::tfserving
