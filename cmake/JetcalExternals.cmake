# SPDX-License-Identifier: Apache-2.0
# Finds the libraries that rooms may see, each as a target jetcal_external_<name>. One that is not found is left out; the
# rooms that need it are then left out too and say so. Wheels used as C++ libraries live in JETCAL_DEPS (tools/setup.py).
if(DEFINED ENV{JETCAL_DEPS})
  set(jetcal_default_deps $ENV{JETCAL_DEPS})
else()
  set(jetcal_default_deps $ENV{HOME}/.cache/jetcal)
endif()
set(JETCAL_DEPS ${jetcal_default_deps} CACHE PATH "Folder that tools/setup.py fills")
file(GLOB JETCAL_WHEELS ${JETCAL_DEPS}/wheels/lib/python3*/site-packages)

set_property(GLOBAL PROPERTY JETCAL_LIBRARY_VERSIONS "")

# Declares external `name`; libraries are full paths or targets, includes are treated as system headers.
function(jetcal_external name)
  cmake_parse_arguments(EXT "" "VERSION" "INCLUDES;LIBRARIES;DEFINITIONS;OPTIONS" ${ARGN})
  add_library(jetcal_external_${name} INTERFACE)
  target_include_directories(jetcal_external_${name} SYSTEM INTERFACE ${EXT_INCLUDES})
  target_link_libraries(jetcal_external_${name} INTERFACE ${EXT_LIBRARIES})
  target_compile_definitions(jetcal_external_${name} INTERFACE ${EXT_DEFINITIONS})
  target_compile_options(jetcal_external_${name} INTERFACE ${EXT_OPTIONS})
  set_property(GLOBAL APPEND PROPERTY JETCAL_LIBRARY_VERSIONS "${name}=${EXT_VERSION}")
endfunction()

if(JETCAL_BARE)
  return()
endif()

# ---- Debian libraries that every room may use ------------------------------------------------------------------------
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)

# ---- ROOT ---------------------------------------------------------------------------------------------------------------
set(jetcal_root_components Core RIO Tree ROOTNTuple Hist Gpad Graf MathCore Imt)
if(EXISTS ${JETCAL_WHEELS}/ROOT/include/ROOT/RVersion.hxx)
  # The wheel's own CMake package names an executable that the wheel leaves out, so its libraries are listed here.
  file(STRINGS ${JETCAL_WHEELS}/ROOT/include/ROOT/RVersion.hxx jetcal_root_lines
       REGEX "^#define ROOT_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  string(REGEX MATCHALL "(MAJOR|MINOR|PATCH) +[0-9]+" jetcal_root_version "${jetcal_root_lines}")
  list(TRANSFORM jetcal_root_version REPLACE "[A-Z]+ +" "")
  list(JOIN jetcal_root_version "." jetcal_root_version)
  list(TRANSFORM jetcal_root_components REPLACE "(.+)" "${JETCAL_WHEELS}/ROOT/lib/lib\\1.so" OUTPUT_VARIABLE jetcal_root_libraries)
  # The wheel is built as C++17 and warns about every other standard; its headers and ours link, which the tests show.
  # Its folder of headers has a copy of nlohmann/json.hpp, which must not hide Debian's: hence -idirafter.
  jetcal_external(root VERSION ${jetcal_root_version} LIBRARIES ${jetcal_root_libraries}
                  OPTIONS -Wno-cpp "SHELL:-idirafter ${JETCAL_WHEELS}/ROOT/include")
  # libGraf needs libfreetype, which needs two more of the libraries that the wheel brings in a folder of their own.
  target_link_options(jetcal_external_root INTERFACE "LINKER:-rpath-link,${JETCAL_WHEELS}/ROOT/lib"
                      "LINKER:-rpath-link,${JETCAL_WHEELS}/root.libs")
  # libCore exports a copy of std::filesystem of an older compiler. The C++ library comes first, so that nobody calls that copy.
  target_link_options(jetcal_external_root INTERFACE "LINKER:--push-state,--no-as-needed" -lstdc++ "LINKER:--pop-state")
else()
  find_package(ROOT 6.32 QUIET CONFIG COMPONENTS ${jetcal_root_components})
  if(ROOT_FOUND)
    jetcal_external(root VERSION ${ROOT_VERSION} INCLUDES ${ROOT_INCLUDE_DIRS} LIBRARIES ${ROOT_LIBRARIES})
  endif()
endif()

# ---- Arrow ----------------------------------------------------------------------------------------------------------------
file(GLOB jetcal_arrow_library ${JETCAL_WHEELS}/pyarrow/libarrow.so.*)
file(GLOB jetcal_parquet_library ${JETCAL_WHEELS}/pyarrow/libparquet.so.*)
file(GLOB jetcal_arrow_s3_library ${JETCAL_WHEELS}/pyarrow/libarrow_s3.so.*) # older wheels have it in libarrow
if(jetcal_arrow_library AND jetcal_parquet_library)
  file(STRINGS ${JETCAL_WHEELS}/pyarrow/include/arrow/util/config.h jetcal_arrow_version
       REGEX "#define ARROW_VERSION_STRING")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" jetcal_arrow_version "${jetcal_arrow_version}")
  jetcal_external(arrow VERSION ${jetcal_arrow_version} INCLUDES ${JETCAL_WHEELS}/pyarrow/include
                  LIBRARIES ${jetcal_parquet_library} ${jetcal_arrow_library}
                            # Only programs that read from an object store load the client.
                            "-Wl,--push-state,--as-needed" ${jetcal_arrow_s3_library} "-Wl,--pop-state")
endif()

# ---- muParser -------------------------------------------------------------------------------------------------------------
find_library(jetcal_muparser muparser)
find_path(jetcal_muparser_headers muParser.h)
if(jetcal_muparser AND jetcal_muparser_headers)
  file(STRINGS ${jetcal_muparser_headers}/muParserDef.h jetcal_muparser_version REGEX "string_type ParserVersion ")
  string(REGEX MATCH "[0-9]+\\.[0-9.]+" jetcal_muparser_version "${jetcal_muparser_version}")
  jetcal_external(muparser VERSION ${jetcal_muparser_version} INCLUDES ${jetcal_muparser_headers} LIBRARIES ${jetcal_muparser})
endif()

# ---- Eigen ------------------------------------------------------------------------------------------------------------------
find_package(Eigen3 3.4 QUIET)
if(TARGET Eigen3::Eigen)
  jetcal_external(eigen VERSION ${Eigen3_VERSION} LIBRARIES Eigen3::Eigen)
endif()

# ---- libtorch ---------------------------------------------------------------------------------------------------------------
if(EXISTS ${JETCAL_WHEELS}/torch/lib/libtorch_cpu.so)
  file(STRINGS ${JETCAL_WHEELS}/torch/version.py jetcal_torch_version REGEX "^__version__")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" jetcal_torch_version "${jetcal_torch_version}")
  file(GLOB jetcal_cuda_libraries ${JETCAL_WHEELS}/nvidia/cu*/lib)
  jetcal_external(torch VERSION ${jetcal_torch_version}
                  LIBRARIES ${JETCAL_WHEELS}/torch/lib/libtorch_cpu.so ${JETCAL_WHEELS}/torch/lib/libc10.so
                  # Its folder of headers has copies of fmt and protobuf, which must not hide Debian's.
                  OPTIONS "SHELL:-idirafter ${JETCAL_WHEELS}/torch/include"
                          "SHELL:-idirafter ${JETCAL_WHEELS}/torch/include/torch/csrc/api/include")
  # libtorch_cpu.so of the CUDA build needs libcudart and libcupti, which live in wheels of their own.
  target_link_options(jetcal_external_torch INTERFACE "LINKER:-rpath,${jetcal_cuda_libraries}"
                      "LINKER:-rpath-link,${jetcal_cuda_libraries}")
endif()

# ---- PYTHIA and FastJet -----------------------------------------------------------------------------------------------------
file(GLOB jetcal_pythia ${JETCAL_DEPS}/pythia8-*/lib/libpythia8.a)
if(jetcal_pythia)
  cmake_path(GET jetcal_pythia PARENT_PATH jetcal_pythia_root)
  cmake_path(GET jetcal_pythia_root PARENT_PATH jetcal_pythia_root)
  string(REGEX MATCH "[0-9.]+$" jetcal_pythia_version ${jetcal_pythia_root})
  jetcal_external(pythia8 VERSION ${jetcal_pythia_version} INCLUDES ${jetcal_pythia_root}/include
                  LIBRARIES ${jetcal_pythia} DEFINITIONS JETCAL_PYTHIA_XML="${jetcal_pythia_root}/share/xmldoc")
endif()
file(GLOB_RECURSE jetcal_fastjet ${JETCAL_WHEELS}/fastjet/libfastjet.so ${JETCAL_WHEELS}/fastjet/*/libfastjet.so)
if(jetcal_fastjet)
  list(GET jetcal_fastjet 0 jetcal_fastjet)
  file(GLOB jetcal_fastjet_info ${JETCAL_WHEELS}/fastjet-*.dist-info)
  string(REGEX MATCH "fastjet-([0-9.]+)\\.dist-info" _ "${jetcal_fastjet_info}")
  string(REGEX REPLACE "\\.$" "" jetcal_fastjet_version "${CMAKE_MATCH_1}")
  cmake_path(GET jetcal_fastjet PARENT_PATH jetcal_fastjet_lib)
  jetcal_external(fastjet VERSION ${jetcal_fastjet_version} INCLUDES ${JETCAL_WHEELS}/fastjet/include
                  LIBRARIES ${jetcal_fastjet})
endif()

# ---- protobuf, ONNX Runtime, HTTP and JSON parsing ---------------------------------------------------------------------------
find_package(Protobuf QUIET)
set(jetcal_onnx_proto ${JETCAL_WHEELS}/onnx/onnx.proto)
if(Protobuf_FOUND AND EXISTS ${jetcal_onnx_proto})
  jetcal_external(protobuf VERSION ${Protobuf_VERSION} LIBRARIES protobuf::libprotobuf)
endif()
file(GLOB jetcal_onnxruntime ${JETCAL_WHEELS}/onnxruntime/capi/libonnxruntime.so.*)
if(jetcal_onnxruntime)
  string(REGEX MATCH "[0-9]+\\.[0-9.]+$" jetcal_onnxruntime_version ${jetcal_onnxruntime})
  # Loaded with dlopen when the first ONNX model asks for it, so a server of jetcal models never pays for it.
  jetcal_external(onnxruntime VERSION ${jetcal_onnxruntime_version}
                  DEFINITIONS JETCAL_ONNXRUNTIME_LIBRARY="${jetcal_onnxruntime}")
endif()
find_library(jetcal_http_parser http_parser)
find_package(simdjson QUIET)
if(jetcal_http_parser AND simdjson_FOUND)
  jetcal_external(http VERSION "http_parser 2.9, simdjson ${simdjson_VERSION}"
                  LIBRARIES ${jetcal_http_parser} simdjson::simdjson ZLIB::ZLIB)
endif()
find_library(jetcal_nghttp2 nghttp2)
if(jetcal_nghttp2)
  jetcal_external(nghttp2 VERSION 1.52 LIBRARIES ${jetcal_nghttp2})
endif()

# ---- SQLite ------------------------------------------------------------------------------------------------------------------
find_package(SQLite3 QUIET)
if(SQLite3_FOUND)
  jetcal_external(sqlite VERSION ${SQLite3_VERSION} LIBRARIES SQLite::SQLite3)
endif()

# ---- CSV ---------------------------------------------------------------------------------------------------------------------
find_library(jetcal_csv csv)
find_path(jetcal_csv_headers csv.h)
if(jetcal_csv AND jetcal_csv_headers)
  jetcal_external(csv VERSION 3.0 INCLUDES ${jetcal_csv_headers} LIBRARIES ${jetcal_csv})
endif()

# ---- SHA-256 and TLS ----------------------------------------------------------------------------------------------------------------
find_package(OpenSSL QUIET)
if(OPENSSL_FOUND)
  jetcal_external(crypto VERSION "OpenSSL ${OPENSSL_VERSION}" LIBRARIES OpenSSL::Crypto)
  jetcal_external(tls VERSION "OpenSSL ${OPENSSL_VERSION}" LIBRARIES OpenSSL::SSL)
endif()

# ---- libcurl -----------------------------------------------------------------------------------------------------------------
find_package(CURL QUIET)
if(CURL_FOUND)
  jetcal_external(curl VERSION ${CURL_VERSION_STRING} LIBRARIES CURL::libcurl)
endif()

# ---- pugixml -----------------------------------------------------------------------------------------------------------------
find_package(pugixml QUIET)
if(pugixml_FOUND)
  jetcal_external(pugixml VERSION ${pugixml_VERSION} LIBRARIES pugixml::pugixml)
endif()

# ---- Apache ECharts: not linked, carried by the pages of reports ---------------------------------------------------------------
set(JETCAL_ECHARTS ${JETCAL_DEPS}/npm/echarts/dist/echarts.min.js)
if(EXISTS ${JETCAL_ECHARTS})
  file(READ ${JETCAL_DEPS}/npm/echarts/package.json jetcal_echarts_package)
  string(JSON jetcal_echarts_version GET "${jetcal_echarts_package}" version)
  set_property(GLOBAL APPEND PROPERTY JETCAL_LIBRARY_VERSIONS "echarts=${jetcal_echarts_version}")
else()
  set(JETCAL_ECHARTS "")
endif()
