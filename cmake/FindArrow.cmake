# Arrow::Arrow: headers and libraries (with Arrow's S3 library beside it) from ARROW_ROOT, else from HEADRACE_DEPS. They are
# linked into build/lib/, where the module that uses them looks. Without them the program is built without s3:// and gs://.

set(ARROW_ROOT "" CACHE PATH "An installed Arrow C++: include/ and lib/ with libarrow and libarrow_s3")
set(root "${ARROW_ROOT}")
if(NOT root)
  set(root "${HEADRACE_DEPS}/arrow")
endif()

find_path(Arrow_INCLUDE_DIR arrow/filesystem/filesystem_library.h PATHS "${root}/include" NO_DEFAULT_PATH NO_CACHE)
file(GLOB Arrow_LIBRARY "${root}/lib/libarrow.so.*")
if(Arrow_LIBRARY)
  list(GET Arrow_LIBRARY 0 Arrow_LIBRARY)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Arrow
  REQUIRED_VARS Arrow_LIBRARY Arrow_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run ./dev setup, or name an installed SDK with -DARROW_ROOT=")

if(Arrow_FOUND AND NOT TARGET Arrow::Arrow)
  add_library(Arrow::Arrow SHARED IMPORTED GLOBAL)
  set_target_properties(Arrow::Arrow PROPERTIES
    IMPORTED_LOCATION "${Arrow_LIBRARY}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${Arrow_INCLUDE_DIR}"
    INTERFACE_INCLUDE_DIRECTORIES "${Arrow_INCLUDE_DIR}")
  file(GLOB libraries "${root}/lib/libarrow*.so*")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
  foreach(library IN LISTS libraries)
    get_filename_component(name "${library}" NAME)
    file(CREATE_LINK "${library}" "${CMAKE_BINARY_DIR}/lib/${name}" SYMBOLIC)
  endforeach()
endif()
