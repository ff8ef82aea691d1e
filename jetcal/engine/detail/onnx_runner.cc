// SPDX-License-Identifier: Apache-2.0
// The runner of ONNX Runtime: joins the requests of a batch and divides its outputs.
#include <algorithm>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/engine/detail/runner.h"
#include "jetcal/engine/detail/stopwatch.h"

namespace jetcal::engine::detail {
namespace {

using Replies = std::vector<std::vector<Tensor>>;

const TensorView& find(std::span<const TensorView> tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const TensorView& tensor) { return tensor.name == name; });
}

// Bytes of the first `count` elements of `data`.
std::size_t bytes_of(std::span<const std::byte> data, std::int64_t count, DataType type) {
  const std::size_t size = data_type_size(type);
  if (size > 0) return static_cast<std::size_t>(count) * size;
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t length = 0;
    std::memcpy(&length, data.data() + bytes, sizeof length);
    bytes += sizeof length + length;
  }
  return bytes;
}

// As a request that runs alone gets them.
void order_as_asked(std::vector<Tensor>& reply, std::span<const std::string> names) {
  const auto place = [&](const Tensor& output) {
    return std::find(names.begin(), names.end(), output.name) - names.begin();
  };
  std::sort(reply.begin(), reply.end(),
            [&](const Tensor& a, const Tensor& b) { return place(a) < place(b); });
}

bool wants(const RunRequest& request, const std::string& output) {
  const auto& names = request.outputs;
  return names.empty() || std::find(names.begin(), names.end(), output) != names.end();
}

class OnnxRunner : public Runner {
 public:
  OnnxRunner(std::shared_ptr<const OnnxSession> session, BatchTensors tensors)
      : session_(std::move(session)), tensors_(std::move(tensors)) {}

  std::string_view engine() const noexcept override { return "onnxruntime"; }
  const std::vector<TensorSpec>& inputs() const noexcept override { return session_->inputs(); }
  const std::vector<TensorSpec>& outputs() const noexcept override { return session_->outputs(); }
  std::unique_ptr<Runner> clone() const override {
    return std::make_unique<OnnxRunner>(session_, tensors_);
  }

  // Rows of one batch must have one shape, but for ragged inputs; names are part of the key because
  // inputs may be optional.
  std::string merge_key(const InferRequest& request) const override {
    std::vector<std::string> parts;
    for (const TensorView& input : request.inputs) {
      const bool rows = !input.shape.empty() && !tensors_.is_ragged(input.name);
      parts.push_back(input.name +
                      (rows ? shape_text(std::span(input.shape).subspan(1)) : std::string()));
    }
    std::sort(parts.begin(), parts.end());
    std::string key;
    for (const std::string& part : parts) key += part + ";";
    return key;
  }

  // Inputs of a single request are used in place and its outputs copied inside run(), so all of it
  // counts as inference.
  Replies run(std::span<const RunRequest> requests, RunTimes& times) override {
    Stopwatch watch;
    Replies replies;
    if (requests.size() == 1 && tensors_.empty()) {
      replies.push_back(session_->run(requests.front().inputs, requests.front().outputs));
      times.infer_ns = watch.lap();
      return replies;
    }
    const std::vector<Tensor> joined = join(requests);
    std::vector<TensorView> views;
    views.reserve(joined.size());
    for (const Tensor& tensor : joined) views.push_back(tensor.view());
    const std::vector<std::string> wanted = union_of_outputs(requests);
    times.input_ns = watch.lap();
    const std::vector<Tensor> outputs = session_->run(views, wanted);
    times.infer_ns = watch.lap();
    replies = divide(requests, outputs);
    times.output_ns = watch.lap();
    return replies;
  }

 private:
  std::vector<Tensor> join(std::span<const RunRequest> requests) const {
    std::vector<Tensor> joined;
    for (const TensorView& input : requests.front().inputs) {
      const bool ragged = tensors_.is_ragged(input.name);
      Tensor tensor{input.name, input.type, input.shape, {}};
      if (ragged) tensor.shape.resize(1);
      tensor.shape.front() = 0;
      for (const RunRequest& request : requests) {
        const TensorView& same = find(request.inputs, input.name);
        tensor.shape.front() += ragged ? element_count(same.shape).value_or(0) : same.shape.front();
        tensor.data.insert(tensor.data.end(), same.data.begin(), same.data.end());
      }
      joined.push_back(std::move(tensor));
    }
    for (const BatchInput& input : tensors_.inputs) {
      const Tensor filled = make_batch_input(input, shapes_of(requests, input.source));
      for (const std::string& target : input.targets) {
        joined.push_back(filled);
        joined.back().name = target;
      }
    }
    return joined;
  }

  static std::vector<std::vector<std::int64_t>> shapes_of(std::span<const RunRequest> requests,
                                                          const std::string& input) {
    std::vector<std::vector<std::int64_t>> shapes;
    for (const RunRequest& request : requests) {
      const bool given =
          std::any_of(request.inputs.begin(), request.inputs.end(),
                      [&](const TensorView& tensor) { return tensor.name == input; });
      if (!given)
        fail(ErrorCode::InvalidArgument, "the input '", input,
             "' is missing, which a batch_input or batch_output refers to");
      shapes.push_back(find(request.inputs, input).shape);
    }
    return shapes;
  }

  // Empty, which means all, as soon as one request wants all.
  static std::vector<std::string> union_of_outputs(std::span<const RunRequest> requests) {
    std::vector<std::string> wanted;
    for (const RunRequest& request : requests) {
      if (request.outputs.empty()) return {};
      for (const std::string& name : request.outputs) {
        if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) wanted.push_back(name);
      }
    }
    return wanted;
  }

  Replies divide(std::span<const RunRequest> requests, const std::vector<Tensor>& outputs) const {
    Replies replies(requests.size());
    for (const Tensor& output : outputs) {
      const std::vector<std::vector<std::int64_t>> shapes = shapes_of_parts(requests, output);
      std::size_t first = 0;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::size_t bytes = requests.size() == 1
                                      ? output.data.size()
                                      : bytes_of(std::span(output.data).subspan(first),
                                                 *element_count(shapes[i]), output.type);
        if (wants(requests[i], output.name)) {
          Tensor part{output.name, output.type, shapes[i], {}};
          const auto begin = output.data.begin() + static_cast<std::ptrdiff_t>(first);
          part.data.assign(begin, begin + static_cast<std::ptrdiff_t>(bytes));
          replies[i].push_back(std::move(part));
        }
        first += bytes;
      }
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!requests[i].outputs.empty()) order_as_asked(replies[i], requests[i].outputs);
    }
    return replies;
  }

  // By rows, or by what batch_output says.
  std::vector<std::vector<std::int64_t>> shapes_of_parts(std::span<const RunRequest> requests,
                                                         const Tensor& output) const {
    std::vector<std::vector<std::int64_t>> shapes;
    std::int64_t rows = 0;
    std::int64_t elements = 0;
    const BatchOutput* const scattered = tensors_.find_output(output.name);
    std::vector<std::vector<std::int64_t>> sources;
    if (scattered != nullptr) sources = shapes_of(requests, scattered->source);
    for (const RunRequest& request : requests) {
      std::vector<std::int64_t> shape = output.shape;
      if (scattered != nullptr) shape = batch_output_shape(*scattered, sources[shapes.size()]);
      if (scattered == nullptr && requests.size() > 1 && !shape.empty())
        shape.front() = request.batch_size;
      rows += request.batch_size;
      elements += element_count(shape).value_or(0);
      shapes.push_back(std::move(shape));
    }
    const bool whole = requests.size() == 1 && scattered == nullptr;
    const bool by_rows =
        !output.shape.empty() && (scattered != nullptr || output.shape.front() == rows);
    if (!whole && (!by_rows || element_count(output.shape) != elements))
      fail(ErrorCode::Internal, "output '", output.name, "' of shape ", shape_text(output.shape),
           " cannot be divided among the requests of a batch of ", rows);
    return shapes;
  }

  std::shared_ptr<const OnnxSession> session_;  // shared by the instances of a model
  BatchTensors tensors_;
};

}  // namespace

std::unique_ptr<Runner> make_onnx_runner(OnnxSession session, BatchTensors tensors) {
  return std::make_unique<OnnxRunner>(std::make_shared<const OnnxSession>(std::move(session)),
                                      std::move(tensors));
}

}  // namespace jetcal::engine::detail
