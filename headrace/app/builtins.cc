#include "headrace/app/builtins.h"

namespace headrace::app {

const std::vector<Engine*>& BuiltinEngines() {
  static const std::vector<Engine*> engines = {};
  return engines;
}

}  // namespace headrace::app
