// An ONNX model whose one input "x" is a float tensor, run on the calling thread with nothing around ONNX Runtime.
#pragma once
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bench {

struct Output {
  const std::string& name;
  Ort::Value& value;
  std::vector<int64_t> shape;
  size_t count;
  bool is_int64;

  size_t bytes() const { return count * (is_int64 ? 8 : 4); }
  const void* data() const { return value.GetTensorRawData(); }
};

class Model {
 public:
  explicit Model(const char* file) : env_(ORT_LOGGING_LEVEL_ERROR), session_(env_, file, OneThread()) {
    Ort::AllocatorWithDefaultOptions allocator;
    for (size_t i = 0; i < session_.GetOutputCount(); i++)
      names_.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
    for (const auto& name : names_) name_pointers_.push_back(name.c_str());
  }

  std::vector<Ort::Value> Run(std::span<float> x, std::span<const int64_t> shape) {
    static const char* const kInput = "x";
    const auto tensor = Ort::Value::CreateTensor<float>(memory_, x.data(), x.size(), shape.data(), shape.size());
    return session_.Run({}, &kInput, &tensor, 1, name_pointers_.data(), name_pointers_.size());
  }

  Output Describe(size_t index, Ort::Value& value) const {
    const auto info = value.GetTensorTypeAndShapeInfo();
    return {names_[index], value, info.GetShape(), info.GetElementCount(),
            info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64};
  }

 private:
  static Ort::SessionOptions OneThread() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1).SetInterOpNumThreads(1);
    return options;
  }

  Ort::Env env_;
  Ort::Session session_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<std::string> names_;
  std::vector<const char*> name_pointers_;
};

}  // namespace bench
