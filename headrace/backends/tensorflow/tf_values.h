// Tensors to TensorFlow's and back.
#pragma once
#include <memory>

#include "headrace/backends/tensorflow/tf_api.h"
#include "headrace/core/tensor.h"

namespace headrace::tensorflow {

class TfStatus {
 public:
  explicit TfStatus(const TfApi& api) : api_(api), status_(api.TF_NewStatus()) {}
  ~TfStatus() { api_.TF_DeleteStatus(status_); }
  TfStatus(const TfStatus&) = delete;
  TfStatus& operator=(const TfStatus&) = delete;
  TF_Status* get() const { return status_; }
  // TensorFlow's codes are gRPC's.
  Status Get() const;

 private:
  const TfApi& api_;
  TF_Status* const status_;
};

// Owns tensors of one call.
class TfTensors {
 public:
  TfTensors(const TfApi& api, size_t count) : api_(api), tensors_(count) {}
  ~TfTensors() {
    for (TF_Tensor* tensor : tensors_)
      if (tensor != nullptr) api_.TF_DeleteTensor(tensor);
  }
  TfTensors(const TfTensors&) = delete;
  TfTensors& operator=(const TfTensors&) = delete;
  TF_Tensor*& operator[](size_t index) { return tensors_[index]; }
  TF_Tensor** data() { return tensors_.data(); }
  int size() const { return static_cast<int>(tensors_.size()); }

 private:
  const TfApi& api_;
  std::vector<TF_Tensor*> tensors_;
};

// A copy of `tensor`, whose strings point to the tensor's own, which must outlive it. Null when memory is out.
TF_Tensor* ToTf(const TfApi& api, const Tensor& tensor);
// Takes `value` over: numbers share its memory, strings are copied.
Result<Tensor> FromTf(const TfApi& api, TF_Tensor* value);

}  // namespace headrace::tensorflow
