#include "headrace/app/builtins.h"

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/backends/tensorflow/tensorflow_engine.h"

namespace headrace::app {

const std::vector<Engine*>& BuiltinEngines() {
  static const std::vector<Engine*> engines = {onnxruntime::MakeEngine().release(), tensorflow::MakeEngine().release()};
  return engines;
}

}  // namespace headrace::app
