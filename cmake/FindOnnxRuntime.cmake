# OnnxRuntime::OnnxRuntime: headers and library from ONNXRUNTIME_ROOT, else from HEADRACE_DEPS. The library is linked
# into build/lib/, where the program looks for it.

set(ONNXRUNTIME_ROOT "" CACHE PATH "An installed ONNX Runtime SDK")
set(root "${ONNXRUNTIME_ROOT}")
if(NOT root)
  set(root "${HEADRACE_DEPS}/onnxruntime")
endif()

find_path(OnnxRuntime_INCLUDE_DIR onnxruntime_cxx_api.h
  PATHS "${root}/include" "${root}/include/onnxruntime" "${root}/include/onnxruntime/core/session" NO_DEFAULT_PATH NO_CACHE)
find_library(OnnxRuntime_LIBRARY onnxruntime PATHS "${root}/lib" "${root}/lib64" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntime
  REQUIRED_VARS OnnxRuntime_LIBRARY OnnxRuntime_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run ./dev setup, or name an installed SDK with -DONNXRUNTIME_ROOT=")

if(OnnxRuntime_FOUND AND NOT TARGET OnnxRuntime::OnnxRuntime)
  add_library(OnnxRuntime::OnnxRuntime SHARED IMPORTED GLOBAL)
  set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
    IMPORTED_LOCATION "${OnnxRuntime_LIBRARY}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${OnnxRuntime_INCLUDE_DIR}"
    INTERFACE_INCLUDE_DIRECTORIES "${OnnxRuntime_INCLUDE_DIR}")
  get_filename_component(folder "${OnnxRuntime_LIBRARY}" DIRECTORY)
  file(GLOB libraries "${folder}/libonnxruntime*.so*")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
  foreach(library IN LISTS libraries)
    get_filename_component(name "${library}" NAME)
    file(CREATE_LINK "${library}" "${CMAKE_BINARY_DIR}/lib/${name}" SYMBOLIC)
  endforeach()
endif()
