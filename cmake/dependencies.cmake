# Other people's libraries, each as one imported target headrace_deps::<name>. Rooms link these and nothing else.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# hr_dependency(<name> <library>...): headrace_deps::<name> as a bundle of what a library's own package defines.
function(hr_dependency name)
  add_library(headrace_deps_${name} INTERFACE)
  target_link_libraries(headrace_deps_${name} INTERFACE ${ARGN})
  add_library(headrace_deps::${name} ALIAS headrace_deps_${name})
endfunction()

# hr_pkg_config(<name> <module>...): the same, for libraries described by pkg-config.
function(hr_pkg_config name)
  pkg_check_modules(PC_${name} REQUIRED QUIET IMPORTED_TARGET GLOBAL ${ARGN})
  hr_dependency(${name} PkgConfig::PC_${name})
endfunction()

hr_pkg_config(sqlite3 sqlite3)
hr_pkg_config(yaml yaml-cpp)
hr_pkg_config(nghttp2 libnghttp2)
hr_pkg_config(openssl openssl)
hr_pkg_config(crypto libcrypto)
hr_pkg_config(zlib zlib)

find_package(fmt 9.1 REQUIRED CONFIG)
hr_dependency(fmt fmt::fmt)
find_package(spdlog 1.10 REQUIRED CONFIG) # the shared, compiled one with Debian's fmt
hr_dependency(spdlog spdlog::spdlog)
find_package(simdjson 3.0 REQUIRED CONFIG)
hr_dependency(simdjson simdjson::simdjson)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  # simdjson's on-demand parser is chosen when it is compiled: without these it is the one without vector instructions.
  # Every x86-64 processor since 2010 has them.
  target_compile_options(headrace_deps_simdjson INTERFACE -msse4.2 -mpclmul)
endif()
hr_pkg_config(rapidjson RapidJSON)
hr_pkg_config(prometheus prometheus-cpp-core)
find_package(CLI11 2.1 REQUIRED CONFIG)
hr_dependency(cli11 CLI11::CLI11)

find_package(Boost 1.81 REQUIRED COMPONENTS json url)
hr_dependency(boost_headers Boost::headers)
hr_dependency(boost Boost::headers Threads::Threads)
hr_dependency(boost_json Boost::json)
hr_dependency(boost_url Boost::url)

find_package(Protobuf 3.21 REQUIRED)
hr_dependency(protobuf protobuf::libprotobuf)
find_package(gRPC 1.51 REQUIRED CONFIG) # pkg-config takes 8 s to say the same
find_library(HEADRACE_GRPC_REFLECTION grpc++_reflection REQUIRED) # not in a pkg-config file
hr_dependency(grpc gRPC::grpc++ "${HEADRACE_GRPC_REFLECTION}" protobuf::libprotobuf)
find_program(HEADRACE_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# SOCI describes itself to neither pkg-config nor CMake in Debian.
foreach(part core sqlite3 postgresql)
  find_library(HEADRACE_SOCI_${part} soci_${part} REQUIRED)
endforeach()
find_path(HEADRACE_SOCI_INCLUDE soci/soci.h REQUIRED)
hr_dependency(soci "${HEADRACE_SOCI_core}" Threads::Threads)
target_include_directories(headrace_deps_soci SYSTEM INTERFACE "${HEADRACE_SOCI_INCLUDE}")
hr_dependency(soci_sqlite3 headrace_deps::soci "${HEADRACE_SOCI_sqlite3}" headrace_deps::sqlite3)
hr_dependency(soci_postgresql headrace_deps::soci "${HEADRACE_SOCI_postgresql}")

# The SDKs that ./dev setup unpacks; -DONNXRUNTIME_ROOT= and -DDUCKDB_ROOT= take installed ones instead.
if(DEFINED ENV{HEADRACE_DEPS})
  set(HEADRACE_DEPS "$ENV{HEADRACE_DEPS}" CACHE PATH "Where ./dev setup put the SDKs")
else()
  set(HEADRACE_DEPS "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Where ./dev setup put the SDKs")
endif()
find_package(OnnxRuntime REQUIRED)
hr_dependency(onnxruntime OnnxRuntime::OnnxRuntime)
find_package(DuckDB REQUIRED)
hr_dependency(duckdb_headers DuckDB::headers)
find_package(Arrow)
if(Arrow_FOUND)
  hr_dependency(arrow Arrow::Arrow)
endif()

if(HEADRACE_TESTS OR HEADRACE_FUZZ)
  find_package(GTest 1.12 REQUIRED CONFIG)
  find_package(rapidcheck REQUIRED CONFIG)
  hr_dependency(test GTest::gmock GTest::gtest rapidcheck)
endif()
find_package(benchmark CONFIG)
if(benchmark_FOUND)
  hr_dependency(benchmark benchmark::benchmark)
endif()
