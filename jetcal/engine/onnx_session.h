// SPDX-License-Identifier: Apache-2.0
// Runs any ONNX model with ONNX Runtime, which is loaded at run time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jetcal/engine/tensor.h"

namespace jetcal::engine {

/// Numbers are those of ONNX Runtime's GraphOptimizationLevel.
enum class GraphOptimization { Off = 0, Basic = 1, Extended = 2, All = 99 };

struct OnnxSessionOptions {
  GraphOptimization optimization = GraphOptimization::All;
  int threads = 0;  ///< Inside one operator; 0 means every usable core.
  bool memory_arena = true;
};

/// Tells whether ONNX Runtime can be loaded: from JETCAL_ONNXRUNTIME, else from where the build
/// found it, else by its soname.
bool onnxruntime_available();
/// Returns its version, e.g. "1.32.0". Throws Unimplemented when it cannot be loaded.
std::string onnxruntime_version();

/// Holds one loaded model.
class OnnxSession {
 public:
  /// Throws NotFound for a missing file, DataLoss for one that ONNX Runtime refuses, Unimplemented
  /// without ONNX Runtime or for a tensor type that has no name in the protocol.
  explicit OnnxSession(const std::filesystem::path& path, const OnnxSessionOptions& options = {});
  ~OnnxSession();
  OnnxSession(OnnxSession&&) noexcept;
  OnnxSession& operator=(OnnxSession&&) noexcept;

  const std::vector<TensorSpec>& inputs() const noexcept;
  const std::vector<TensorSpec>& outputs() const noexcept;

  /// Runs the model. Every input is needed; `outputs` empty means all. Thread-safe. Throws
  /// InvalidArgument for unknown or missing names or a wrong size, Internal when the model fails.
  std::vector<Tensor> run(std::span<const TensorView> inputs,
                          std::span<const std::string> outputs = {}) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace jetcal::engine
