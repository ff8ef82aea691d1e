# SPDX-License-Identifier: Apache-2.0
# Compiler settings that hold for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(JETCAL_CCACHE ccache)
if(JETCAL_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${JETCAL_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${JETCAL_CCACHE})
endif()

find_package(Threads REQUIRED)

add_library(jetcal_options INTERFACE)
target_compile_options(jetcal_options INTERFACE "$<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Werror;-Wno-psabi>")
if(JETCAL_BARE) # a machine with a GPU has the compiler that it has, with warnings of its own
  target_compile_options(jetcal_options INTERFACE "$<$<COMPILE_LANGUAGE:C,CXX>:-Wno-error>")
endif()
# A static room whose objects nobody uses must not drag its libraries into an executable.
target_link_options(jetcal_options INTERFACE -Wl,--as-needed)
target_link_libraries(jetcal_options INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
if(JETCAL_SANITIZE)
  target_compile_options(jetcal_options INTERFACE -fsanitize=${JETCAL_SANITIZE} -fno-omit-frame-pointer -g1
                                                  -fno-sanitize-recover=all)
  target_link_options(jetcal_options INTERFACE -fsanitize=${JETCAL_SANITIZE})
endif()
# libFuzzer is told which branches an input has taken by code in every room; without it, it stops at once.
if(JETCAL_FUZZ AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(jetcal_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
