# The language, the warnings, the optimisation levels, the sanitizers, and the tools that make builds quicker.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

# The program finds the shared libraries of the SDKs in lib/ beside it, in the build folder as after an installation.
set(CMAKE_BUILD_RPATH "\$ORIGIN/lib;\$ORIGIN/../lib")
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "\$ORIGIN/lib;\$ORIGIN/../lib")

# Dev: short compile times; rooms on the request path raise their own level (hr_room, below).
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1")
set(CMAKE_C_FLAGS_DEV "-O1 -g1")
if(HEADRACE_SANITIZE MATCHES "address")
  set(CMAKE_CXX_FLAGS_DEV "-O0 -g1") # checks multiply what the optimiser has to read: compiling takes twice as long at -O1
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")

# DT_RPATH, not DT_RUNPATH: it also serves the libraries that the libraries beside the program load (tools/package).
add_link_options(-Wl,--disable-new-dtags)

add_library(headrace_options INTERFACE)
target_compile_options(headrace_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports these in its own library's headers once coroutines and std::expected are inlined.
  target_compile_options(headrace_options INTERFACE -Wno-maybe-uninitialized -Wno-dangling-pointer -Wno-restrict -Wno-stringop-overread)
endif()
if(HEADRACE_WERROR)
  target_compile_options(headrace_options INTERFACE -Werror)
endif()

if(HEADRACE_SANITIZE)
  add_compile_options(-fsanitize=${HEADRACE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HEADRACE_SANITIZE})
  if(HEADRACE_SANITIZE MATCHES "undefined")
    # vptr asks for the type information of other people's classes, which their shared libraries (SOCI) do not export.
    add_compile_options(-fno-sanitize-recover=undefined -fno-sanitize=vptr)
  endif()
endif()
if(HEADRACE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(HEADRACE_CCACHE ccache)
if(HEADRACE_CCACHE)
  # Paths relative to the checkout: another clone of the same sources hits the same cache.
  set(launcher /usr/bin/env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros "${HEADRACE_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_program(HEADRACE_MOLD mold)
if(HEADRACE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
