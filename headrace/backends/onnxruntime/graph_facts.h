// What a model's file says about it that ONNX Runtime's C API does not tell.
#pragma once
#include <filesystem>

namespace headrace::onnxruntime {

// Whether the time of a run may depend on the inputs' values, not on their shapes alone: the graph has a Loop, an If or
// a Scan, or an operator whose output's size an input's value decides (Range, Tile, ConstantOfShape, …; sizes that are
// computed from shapes do not count). Of a file in ONNX Runtime's own format (.ort) only the former are seen. True when
// the file cannot be read.
bool RuntimeDependsOnValues(const std::filesystem::path& file);

}  // namespace headrace::onnxruntime
