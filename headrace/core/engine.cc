#include "headrace/core/engine.h"

namespace headrace {
namespace {

int IndexOf(const std::vector<TensorSpec>& specs, std::string_view name) {
  for (size_t i = 0; i < specs.size(); i++)
    if (specs[i].name == name) return static_cast<int>(i);
  return -1;
}

}  // namespace

int Signature::InputIndex(std::string_view input) const { return IndexOf(inputs, input); }
int Signature::OutputIndex(std::string_view output) const { return IndexOf(outputs, output); }

const Signature* Servable::FindSignature(std::string_view name) const {
  for (const auto& signature : signatures())
    if (signature.name == name) return &signature;
  return nullptr;
}

}  // namespace headrace
