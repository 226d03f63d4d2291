// The part of TensorFlow's public C API (tensorflow/c/c_api.h, tf_tstring.h) that runs SavedModels, found in the
// library at run time. Types and signatures are the API's own; opaque types stay opaque.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "headrace/base/status.h"
#include "headrace/core/tensor.h"

extern "C" {
struct TF_Graph;
struct TF_Operation;
struct TF_Session;
struct TF_SessionOptions;
struct TF_Status;
struct TF_Tensor;

struct TF_Buffer {
  const void* data;
  size_t length;
  void (*data_deallocator)(void* data, size_t length);
};
struct TF_Output {
  TF_Operation* oper;
  int index;
};
struct TF_TString {  // opaque, of this size
  void* words[3];
};
}

namespace headrace::tensorflow {

inline constexpr int kTfString = 7;

// The functions, by their own names. Thread-safe, as the API is.
struct TfApi {
  const char* (*TF_Version)();
  TF_Status* (*TF_NewStatus)();
  void (*TF_DeleteStatus)(TF_Status*);
  int (*TF_GetCode)(const TF_Status*);
  const char* (*TF_Message)(const TF_Status*);
  TF_Buffer* (*TF_NewBuffer)();
  void (*TF_DeleteBuffer)(TF_Buffer*);
  TF_SessionOptions* (*TF_NewSessionOptions)();
  void (*TF_SetConfig)(TF_SessionOptions*, const void* proto, size_t length, TF_Status*);
  void (*TF_DeleteSessionOptions)(TF_SessionOptions*);
  TF_Graph* (*TF_NewGraph)();
  void (*TF_DeleteGraph)(TF_Graph*);
  TF_Operation* (*TF_GraphOperationByName)(TF_Graph*, const char* name);
  int (*TF_OperationNumOutputs)(TF_Operation*);
  TF_Session* (*TF_LoadSessionFromSavedModel)(const TF_SessionOptions*, const TF_Buffer* run_options,
                                              const char* export_dir, const char* const* tags, int tag_count, TF_Graph*,
                                              TF_Buffer* meta_graph, TF_Status*);
  void (*TF_CloseSession)(TF_Session*, TF_Status*);
  void (*TF_DeleteSession)(TF_Session*, TF_Status*);
  void (*TF_SessionRun)(TF_Session*, const TF_Buffer* run_options, const TF_Output* inputs,
                        TF_Tensor* const* input_values, int input_count, const TF_Output* outputs,
                        TF_Tensor** output_values, int output_count, const TF_Operation* const* targets,
                        int target_count, TF_Buffer* run_metadata, TF_Status*);
  TF_Tensor* (*TF_AllocateTensor)(int type, const int64_t* dims, int rank, size_t bytes);
  void (*TF_DeleteTensor)(TF_Tensor*);
  int (*TF_TensorType)(const TF_Tensor*);
  int (*TF_NumDims)(const TF_Tensor*);
  int64_t (*TF_Dim)(const TF_Tensor*, int index);
  size_t (*TF_TensorByteSize)(const TF_Tensor*);
  void* (*TF_TensorData)(const TF_Tensor*);
  void (*TF_StringAssignView)(TF_TString*, const char* text, size_t size);
  const char* (*TF_StringGetDataPointer)(const TF_TString*);
  size_t (*TF_StringGetSize)(const TF_TString*);
};

// Loads the library at the first call and keeps it for the life of the process. It is the file or below the folder that
// HEADRACE_TENSORFLOW names, else libtensorflow.so.2 or libtensorflow_cc.so.2 where the loader looks, else inside an
// installed `tensorflow` Python package (VIRTUAL_ENV, then the system's). kUnavailable, with where it looked and how to
// get it, when there is none; also in builds with a sanitizer, which cannot load it apart.
Result<const TfApi*> LoadTensorFlow();

// The element type's number in TensorFlow's DataType; 0 when there is none.
int ToTfType(DataType type);
DataType FromTfType(int type);

}  // namespace headrace::tensorflow
