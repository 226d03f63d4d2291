# hr_room: a folder under headrace/ as one static library, its unit tests, fuzz targets and benchmarks.
#
#   # headrace/serving/CMakeLists.txt
#   hr_room(NAME serving DEPS core PUBLIC headrace_deps::fmt)
#   # headrace/backends/duckdb/CMakeLists.txt
#   hr_room(NAME backends/duckdb DEPS core PRIVATE headrace_deps::duckdb_headers)
#
# NAME          the folder's path below headrace/
# DEPS          rooms that this one includes (tools/check_layers says which it may)
# PUBLIC        third-party targets (headrace_deps::…) that its headers include
# PRIVATE       third-party targets that only its sources include
# TEST_DEPS     further rooms and targets for its tests (files of the repository: tests/source_dir.h)
#
# The library is headrace_<room with underscores>, alias headrace::<the same>. By their names, sources are
#   *_test.cc   unit tests, linked into one program <room>_test
#   *_fuzz.cc   a libFuzzer target each (preset fuzz), elsewhere a test that replays fuzz/corpus/<room>_<name>/
#   *_bench.cc  benchmarks, linked into one program <room>_bench (target `benchmarks`)
#   main.cc     left out (hr_program)
#   module/     left out (hr_module)
#   *.cc        the library

set(HR_HOT_ROOMS "^(base|serving|net|protocols/.*|backends/.*)$")

function(hr_room)
  cmake_parse_arguments(arg "" "NAME" "DEPS;PUBLIC;PRIVATE;TEST_DEPS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME)
    message(FATAL_ERROR "hr_room(${ARGN}): want NAME, DEPS, PUBLIC, PRIVATE, TEST_DEPS; got ${arg_UNPARSED_ARGUMENTS}")
  endif()
  string(REPLACE "/" "_" id "${arg_NAME}")
  set(target headrace_${id})

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.h")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$|/module/")
  foreach(kind test fuzz bench)
    set(${kind}s ${sources})
    list(FILTER ${kind}s INCLUDE REGEX "_${kind}\\.cc$")
    list(FILTER sources EXCLUDE REGEX "_${kind}\\.cc$")
  endforeach()

  if(sources)
    add_library(${target} STATIC ${sources} ${headers})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE headrace_options ${arg_PRIVATE})
    if(arg_NAME MATCHES "${HR_HOT_ROOMS}" AND CMAKE_BUILD_TYPE STREQUAL "Dev" AND NOT HEADRACE_SANITIZE)
      target_compile_options(${target} PRIVATE -O2)
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(headrace::${id} ALIAS ${target})
  target_include_directories(${target} ${scope} "${CMAKE_SOURCE_DIR}")
  hr_room_targets(deps ${arg_DEPS})
  target_link_libraries(${target} ${scope} ${deps} ${arg_PUBLIC} Threads::Threads)

  if(HR_LIBRARY_ONLY)
    return()
  endif()
  hr_room_targets(test_deps ${arg_TEST_DEPS})
  set(test_libraries headrace_options ${target} ${test_deps} ${arg_PRIVATE})
  if(HEADRACE_TESTS AND tests AND NOT HEADRACE_FUZZ)
    hr_unit_tests(${id}_test SOURCES ${tests} LIBRARIES ${test_libraries})
  endif()
  if(HEADRACE_TESTS OR HEADRACE_FUZZ)
    foreach(fuzz IN LISTS fuzzs)
      hr_fuzz_target(${id} "${fuzz}" ${test_libraries})
    endforeach()
  endif()
  if(benchs AND TARGET headrace_deps::benchmark AND NOT HEADRACE_SANITIZE)
    hr_benchmarks(${id}_bench SOURCES ${benchs} LIBRARIES ${test_libraries})
  endif()
endfunction()

# hr_room_targets(<variable> <name>...): the names of rooms as targets; what already names a target (a::b) stays.
function(hr_room_targets variable)
  set(targets "")
  foreach(name IN LISTS ARGN)
    if(name MATCHES "::|^headrace_")
      list(APPEND targets "${name}")
    else()
      string(REPLACE "/" "_" id "${name}")
      list(APPEND targets "headrace::${id}")
    endif()
  endforeach()
  set(${variable} "${targets}" PARENT_SCOPE)
endfunction()

# hr_unit_tests(<name> SOURCES <file>... LIBRARIES <target>...): one GoogleTest program and its entry in ctest.
function(hr_unit_tests name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} headrace_deps::test GTest::gmock_main)
  if(CMAKE_BUILD_TYPE STREQUAL "Dev")
    target_compile_options(${name} PRIVATE -O0) # tests are compiled more often than they run
  endif()
  if(HEADRACE_SANITIZE MATCHES "undefined")
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined) # the rooms are what is tested
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1 WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS unit
    ENVIRONMENT "${HR_TEST_ENVIRONMENT}")
endfunction()

# hr_fuzz_target(<room id> <source> <target>...)
function(hr_fuzz_target id source)
  get_filename_component(stem "${source}" NAME_WE)
  set(name ${id}_${stem})
  string(REGEX REPLACE "_fuzz$" "" corpus "${name}")
  set(corpus "${CMAKE_SOURCE_DIR}/fuzz/corpus/${corpus}")
  add_executable(${name} "${source}")
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARGN})
  if(HEADRACE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/fuzz/replay.cc")
    add_test(NAME ${name}_replay COMMAND ${name} "${corpus}")
    set_tests_properties(${name}_replay PROPERTIES TIMEOUT 120 LABELS fuzz ENVIRONMENT "${HR_TEST_ENVIRONMENT}")
  endif()
endfunction()

# hr_benchmarks(<name> SOURCES <file>... LIBRARIES <target>...): built by `ninja benchmarks` only.
function(hr_benchmarks name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} headrace_deps::benchmark benchmark::benchmark_main)
  if(CMAKE_BUILD_TYPE STREQUAL "Dev")
    target_compile_options(${name} PRIVATE -O2)
  endif()
  if(NOT TARGET benchmarks)
    add_custom_target(benchmarks)
  endif()
  add_dependencies(benchmarks ${name})
endfunction()

# hr_program(<name> SOURCES <file>... DEPS <room>...): a program at the top of the build folder.
function(hr_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  hr_room_targets(deps ${arg_DEPS})
  target_link_libraries(${name} PRIVATE headrace_options ${deps})
endfunction()

# hr_module(<name> SOURCES <file>... DEPS <room>... PRIVATE <target>...): lib/lib<name>.so, which a room loads at run time.
# It finds what it needs beside itself, and keeps its symbols to itself but for those marked as visible.
function(hr_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE" ${ARGN})
  add_library(${name} MODULE ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  hr_room_targets(deps ${arg_DEPS})
  target_link_libraries(${name} PRIVATE headrace_options ${deps} ${arg_PRIVATE})
  target_link_options(${name} PRIVATE "LINKER:--exclude-libs,ALL")
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib"
    BUILD_RPATH "\$ORIGIN" INSTALL_RPATH "\$ORIGIN" CXX_VISIBILITY_PRESET hidden)
endfunction()

set(HR_TEST_ENVIRONMENT
  "HEADRACE_SOURCE_DIR=${CMAKE_SOURCE_DIR}"
  "LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/lib" # a sanitizer's dlopen does not look where the program's would
  "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/tools/tsan.supp"
  "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tools/lsan.supp")
# Not in sanitizer builds: their dlopen refuses RTLD_DEEPBIND, which keeps TensorFlow's protobuf from meeting ours.
if(EXISTS "${HEADRACE_DEPS}/tensorflow/lib/libtensorflow_cc.so.2" AND NOT HEADRACE_SANITIZE)
  list(APPEND HR_TEST_ENVIRONMENT "HEADRACE_TENSORFLOW=${HEADRACE_DEPS}/tensorflow/lib")
endif()
