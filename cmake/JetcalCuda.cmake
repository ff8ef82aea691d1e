# SPDX-License-Identifier: Apache-2.0
# Finds the CUDA compiler and libraries: those of CUDA_HOME, then of the PATH and /usr/local/cuda, then wheels. Code is made for
# sm_80 and sm_90, with PTX of the latter for what comes after. JETCAL_CUDA_HINTS names more folders with include/ and lib/.
set(JETCAL_CUDA_HINTS "" CACHE STRING "Folders in which the CUDA libraries may lie, separated by semicolons")
file(GLOB jetcal_cuda_wheels ${JETCAL_WHEELS}/nvidia/cu13)

if(NOT CMAKE_CUDA_COMPILER)
  find_program(jetcal_nvcc nvcc HINTS $ENV{CUDA_HOME}/bin PATHS /usr/local/cuda/bin ${jetcal_cuda_wheels}/bin NO_CACHE)
  if(NOT jetcal_nvcc)
    message(FATAL_ERROR "JETCAL_CUDA: no nvcc in CUDA_HOME, in the PATH or among the wheels (tools/setup.py cuda installs it)")
  endif()
  set(CMAKE_CUDA_COMPILER ${jetcal_nvcc})
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake 3.25 asks g++ what nvcc may do, and gets no answer
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
# Kernels call constexpr functions of base; warnings of the device compiler are errors, as those of g++ are.
string(APPEND CMAKE_CUDA_FLAGS " --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra,-Wno-psabi")
if(NOT JETCAL_BARE)
  string(APPEND CMAKE_CUDA_FLAGS " -Werror=all-warnings")
endif()

cmake_path(GET CMAKE_CUDA_COMPILER PARENT_PATH jetcal_cuda_root)
cmake_path(GET jetcal_cuda_root PARENT_PATH jetcal_cuda_root)
set(jetcal_cuda_folders ${jetcal_cuda_root} ${JETCAL_CUDA_HINTS} ${jetcal_cuda_wheels} /usr/local/cuda)
foreach(kind include library cudart)
  unset(jetcal_cublas_${kind} CACHE)
endforeach()
find_path(jetcal_cublas_include cublas_v2.h PATHS ${jetcal_cuda_folders}
          PATH_SUFFIXES include targets/x86_64-linux/include NO_DEFAULT_PATH)
find_library(jetcal_cublas_library NAMES cublas libcublas.so.13 PATHS ${jetcal_cuda_folders}
             PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib NO_DEFAULT_PATH)
if(NOT jetcal_cublas_include OR NOT jetcal_cublas_library)
  message(FATAL_ERROR "JETCAL_CUDA: cublas_v2.h or libcublas.so is not in ${jetcal_cuda_folders}; name its folder in JETCAL_CUDA_HINTS")
endif()
message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}: ${CMAKE_CUDA_COMPILER}, cuBLAS: ${jetcal_cublas_library}, for ${CMAKE_CUDA_ARCHITECTURES}")

# libcublas.so needs libcublasLt.so, which lies beside it.
cmake_path(GET jetcal_cublas_library PARENT_PATH jetcal_cublas_folder)
jetcal_external(cuda VERSION ${CMAKE_CUDA_COMPILER_VERSION} INCLUDES ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} ${jetcal_cublas_include}
                LIBRARIES ${jetcal_cublas_library})
target_link_options(jetcal_external_cuda INTERFACE "LINKER:-rpath,${jetcal_cublas_folder}"
                    "LINKER:-rpath-link,${jetcal_cublas_folder}")
