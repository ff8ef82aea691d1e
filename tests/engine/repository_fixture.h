// SPDX-License-Identifier: Apache-2.0
// Small model repositories for the tests of this room, made without the onnx room: ONNX files are
// written field by field.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/engine/tensor.h"
#include "jetcal/models/model.h"

namespace jetcal::engine {

/// Writes protobuf fields.
class Wire {
 public:
  Wire& number(std::uint64_t field, std::uint64_t value) {
    varint(field << 3U);
    varint(value);
    return *this;
  }
  Wire& bytes(std::uint64_t field, const std::string& value) {
    varint(field << 3U | 2U);
    varint(value.size());
    text_ += value;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) text_ += static_cast<char>(value | 0x80U);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

/// Describes a tensor of an ONNX graph; "N" is a free dimension.
inline std::string onnx_tensor(const std::string& name, int type,
                               const std::vector<std::string>& shape) {
  Wire dims;
  for (const std::string& size : shape) {
    Wire dim;
    if (size == "N") {
      dim.bytes(2, size);
    } else {
      dim.number(1, std::stoull(size));
    }
    dims.bytes(1, dim.text());
  }
  const std::string tensor = Wire().number(1, type).bytes(2, dims.text()).text();
  return Wire().bytes(1, name).bytes(2, Wire().bytes(1, tensor).text()).text();
}

/// An ONNX model y = x + x with x and y of the element type and shape, and metadata.
inline std::string doubling_model(int type, const std::vector<std::string>& shape,
                                  const std::map<std::string, std::string>& metadata = {}) {
  const std::string node = Wire().bytes(1, "x").bytes(1, "x").bytes(2, "y").bytes(4, "Add").text();
  const std::string graph = Wire()
                                .bytes(1, node)
                                .bytes(2, "doubling")
                                .bytes(11, onnx_tensor("x", type, shape))
                                .bytes(12, onnx_tensor("y", type, shape))
                                .text();
  Wire model;
  model.number(1, 8).bytes(7, graph).bytes(8, Wire().number(2, 17).text());
  for (const auto& [key, value] : metadata)
    model.bytes(14, Wire().bytes(1, key).bytes(2, value).text());
  return model.text();
}

/// An ONNX model y = x + x, z = x * x of floats [N, 2].
inline std::string two_output_model() {
  const auto node = [](const std::string& output, const std::string& operation) {
    return Wire().bytes(1, "x").bytes(1, "x").bytes(2, output).bytes(4, operation).text();
  };
  const std::string graph = Wire()
                                .bytes(1, node("y", "Add"))
                                .bytes(1, node("z", "Mul"))
                                .bytes(2, "two outputs")
                                .bytes(11, onnx_tensor("x", 1, {"N", "2"}))
                                .bytes(12, onnx_tensor("y", 1, {"N", "2"}))
                                .bytes(12, onnx_tensor("z", 1, {"N", "2"}))
                                .text();
  return Wire().number(1, 8).bytes(7, graph).bytes(8, Wire().number(2, 17).text()).text();
}

inline constexpr int kOnnxFloat = 1;
inline constexpr int kOnnxInt64 = 7;

template <typename T>
Tensor make_tensor(const std::string& name, DataType type, std::vector<std::int64_t> shape,
                   const std::vector<T>& values) {
  Tensor tensor{name, type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

/// A folder that goes with the test.
class RepositoryTest : public testing::Test {
 protected:
  /// Adds a native network with an ONNX file of that fingerprint (empty: its own). The file
  /// computes something else, so the tests see which of the two ran.
  models::Model add_native(const std::string& name, models::Network network,
                           const std::string& fingerprint = "", const std::string& config = "") {
    const models::Model model = models::initialise(
        models::preset(network == models::Network::Pfn ? "small-pfn" : "small-particlenet"), 3);
    write_file(folder_ / name / "1" / "model.onnx",
               doubling_model(kOnnxFloat, {"N", "2"},
                              {{"fingerprint",
                                fingerprint.empty() ? models::fingerprint(model) : fingerprint}}));
    models::save_model(model, folder_ / name / "1" / "model.jetcal");
    if (!config.empty()) write_file(folder_ / name / "config.pbtxt", config);
    return model;
  }

  void add_doubling(const std::string& name, const std::string& config = "",
                    const std::string& version = "1") {
    write_file(folder_ / name / version / "model.onnx", doubling_model(kOnnxFloat, {"N", "2"}));
    if (!config.empty()) write_file(folder_ / name / "config.pbtxt", config);
  }

  const TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

}  // namespace jetcal::engine
