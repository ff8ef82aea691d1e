// SPDX-License-Identifier: Apache-2.0
// The model file: safetensors, so that Python tools open it too. Eight bytes give the header's
// length, a JSON header gives every tensor's type, shape and place, the data follow.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "jetcal/base/bounded_json.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/version.h"
#include "jetcal/models/model.h"

namespace jetcal::models {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 16 << 20;
constexpr int kMaxDepth = 16;  // of its JSON: what copies or prints it goes as deep
constexpr const char* kFormat = "jetcal-model";
constexpr const char* kFormatVersion = "1";
constexpr const char* kProvenancePrefix = "provenance.";

// One tensor of the file, as the configuration demands it.
struct FileTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t size = 0;
};

// What a file holds beside the network itself.
struct Extras {
  edm::InputOptions inputs;
  bool standardised = false, bounded = false;
  CalibrationShape calibration;
};

Extras extras_of(const Model& model) {
  return {model.config.inputs(), !model.standardisation.empty(), model.standardisation.has_bounds(),
          shape_of(model.calibration)};
}

std::vector<FileTensor> expected_tensors(const Layout& layout, const Extras& extras) {
  std::vector<FileTensor> tensors;
  for (const TensorSlice& slice : layout.parameters) {
    tensors.push_back({slice.name, slice.shape, slice.size});
  }
  for (const TensorSlice& slice : layout.buffers) {
    tensors.push_back({slice.name, slice.shape, slice.size});
  }
  if (extras.standardised) {
    const std::int64_t particles = edm::num_particle_features(extras.inputs);
    const std::int64_t jets = edm::num_jet_features(extras.inputs);
    for (const char* const name : {"particle_mean", "particle_deviation"}) {
      tensors.push_back({std::string("standardisation.") + name, {particles}, particles});
    }
    for (const char* const name : {"jet_mean", "jet_deviation"}) {
      tensors.push_back({std::string("standardisation.") + name, {jets}, jets});
    }
    if (extras.bounded) {
      for (const char* const name : {"particle_low", "particle_high"})
        tensors.push_back({std::string("standardisation.") + name, {particles}, particles});
      for (const char* const name : {"jet_low", "jet_high"})
        tensors.push_back({std::string("standardisation.") + name, {jets}, jets});
    }
  }
  for (const CalibrationTensor& tensor : calibration_tensors(extras.calibration)) {
    tensors.push_back({"calibration." + tensor.name, tensor.shape, tensor.size});
  }
  return tensors;
}

// The values in the order of expected_tensors().
std::vector<float> gather_values(const Model& model) {
  std::vector<float> values = model.parameters;
  const auto append = [&values](const std::vector<float>& more) {
    values.insert(values.end(), more.begin(), more.end());
  };
  append(model.buffers);
  append(model.standardisation.particle_mean);
  append(model.standardisation.particle_deviation);
  append(model.standardisation.jet_mean);
  append(model.standardisation.jet_deviation);
  append(model.standardisation.particle_low);
  append(model.standardisation.particle_high);
  append(model.standardisation.jet_low);
  append(model.standardisation.jet_high);
  append(calibration_values(model.calibration));
  return values;
}

// Bounds are there for every feature or for none, and in order.
bool bounds_consistent(const Standardisation& shifts) {
  if (!shifts.has_bounds())
    return shifts.particle_high.empty() && shifts.jet_low.empty() && shifts.jet_high.empty();
  const auto ordered = [](const std::vector<float>& low, const std::vector<float>& high,
                          std::size_t size) {
    return low.size() == size && high.size() == size &&
           std::equal(low.begin(), low.end(), high.begin(), std::less_equal<>());
  };
  return !shifts.empty() &&
         ordered(shifts.particle_low, shifts.particle_high, shifts.particle_mean.size()) &&
         ordered(shifts.jet_low, shifts.jet_high, shifts.jet_mean.size());
}

void require_consistent(const Model& model, const std::filesystem::path& path) {
  const Standardisation& shifts = model.standardisation;
  const edm::InputOptions inputs = model.config.inputs();
  const std::size_t particles = shifts.empty() ? 0 : edm::num_particle_features(inputs);
  const std::size_t jets = shifts.empty() ? 0 : edm::num_jet_features(inputs);
  if (std::ssize(model.parameters) != model.layout.num_parameters ||
      std::ssize(model.buffers) != model.layout.num_buffers ||
      shifts.particle_mean.size() != particles || shifts.particle_deviation.size() != particles ||
      shifts.jet_mean.size() != jets || shifts.jet_deviation.size() != jets ||
      !bounds_consistent(shifts)) {
    fail(ErrorCode::InvalidArgument, path.string(),
         ": the model's arrays do not have the sizes of its configuration");
  }
}

void require_usable(const FileTensor& tensor, std::span<const float> values, ErrorCode code,
                    const std::filesystem::path& path) {
  for (const float value : values) {
    if (!std::isfinite(value)) {
      fail(code, path.string(), ": tensor '", tensor.name, "' holds a value that is not finite");
    }
  }
  if (tensor.name.ends_with(".running_var") &&
      *std::min_element(values.begin(), values.end()) < 0) {
    fail(code, path.string(), ": tensor '", tensor.name, "' holds a negative variance");
  }
  if (tensor.name.ends_with("_deviation") &&
      !(*std::min_element(values.begin(), values.end()) > 0)) {
    fail(code, path.string(), ": tensor '", tensor.name,
         "' holds a deviation that is not positive");
  }
}

void require_usable(const Model& model, ErrorCode code, const std::filesystem::path& path) {
  const std::vector<float> values = gather_values(model);
  std::int64_t at = 0;
  for (const FileTensor& tensor : expected_tensors(model.layout, extras_of(model))) {
    require_usable(tensor, std::span(values).subspan(at, tensor.size), code, path);
    at += tensor.size;
  }
}

json make_header(const Model& model) {
  json metadata = {{"format", kFormat},
                   {"format_version", kFormatVersion},
                   {"jetcal_version", version()},
                   {"config", to_json(model.config).dump()},
                   {"fingerprint", fingerprint(model)}};
  for (const auto& [key, value] : model.provenance) metadata[kProvenancePrefix + key] = value;
  json header = {{"__metadata__", metadata}};
  std::int64_t at = 0;
  for (const FileTensor& tensor : expected_tensors(model.layout, extras_of(model))) {
    const std::int64_t end = at + tensor.size * static_cast<std::int64_t>(sizeof(float));
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  return header;
}

// Cuts a file into its header and its data. Every length in it is checked against what is there.
json parse_header(const std::string& bytes, const std::filesystem::path& path,
                  std::string_view& data) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length) {
    fail(ErrorCode::DataLoss, path.string(), ": not a model file, it has only ", bytes.size(),
         " bytes");
  }
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::uint64_t available = bytes.size() - sizeof length;
  if (length > kMaxHeaderBytes) {
    fail(ErrorCode::DataLoss, path.string(), ": not a model file, its header would have ", length,
         " bytes");
  }
  if (length > available) {
    fail(ErrorCode::DataLoss, path.string(), ": truncated, the header has ", length, " bytes and ",
         available, " are there");
  }
  const std::string_view text(bytes.data() + sizeof length, length);
  data = std::string_view(bytes).substr(sizeof length + length);
  json header = parse_bounded_json<json>(text, kMaxDepth).document;
  if (header.is_discarded() || !header.is_object()) {
    fail(ErrorCode::DataLoss, path.string(), ": the header is not a JSON object");
  }
  return header;
}

std::map<std::string, std::string> parse_metadata(const json& header,
                                                  const std::filesystem::path& path) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end() || !found->is_object()) {
    fail(ErrorCode::InvalidArgument, path.string(),
         ": not a jetcal model, the header has no __metadata__");
  }
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) {
      fail(ErrorCode::DataLoss, path.string(), ": the metadata field '", key, "' is not a string");
    }
    metadata[key] = value.get<std::string>();
  }
  if (metadata["format"] != kFormat) {
    fail(ErrorCode::InvalidArgument, path.string(), ": not a jetcal model, its format is '",
         metadata["format"], "'");
  }
  if (metadata["format_version"] != kFormatVersion) {
    fail(ErrorCode::InvalidArgument, path.string(), ": the model file has format version '",
         metadata["format_version"], "', this jetcal reads ", kFormatVersion);
  }
  return metadata;
}

ModelConfig parse_config(const std::string& text, const std::filesystem::path& path) {
  const json parsed = parse_bounded_json<json>(text, kMaxDepth).document;
  if (parsed.is_discarded()) {
    fail(ErrorCode::DataLoss, path.string(), ": the model configuration is not JSON");
  }
  try {
    return model_config_from_json(parsed);
  } catch (const Error& error) {
    fail(error.code(), path.string(), ": ", error.what());
  }
}

struct Extent {
  std::uint64_t begin = 0, end = 0;
};

Extent parse_extent(const json& entry, const FileTensor& tensor, std::uint64_t data_bytes,
                    const std::filesystem::path& path) {
  if (!entry.is_object() || entry.value("dtype", json()) != "F32") {
    fail(ErrorCode::InvalidArgument, path.string(), ": tensor '", tensor.name,
         "' must have the type F32");
  }
  const json shape = entry.value("shape", json());
  if (shape != json(tensor.shape)) {
    fail(ErrorCode::InvalidArgument, path.string(), ": tensor '", tensor.name, "' has the shape ",
         shape.dump(-1, ' ', true, json::error_handler_t::replace), ", the configuration asks for ",
         json(tensor.shape).dump());
  }
  const json offsets = entry.value("data_offsets", json());
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    fail(ErrorCode::DataLoss, path.string(), ": tensor '", tensor.name, "' has no data_offsets");
  }
  const Extent extent{offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
  const auto want = static_cast<std::uint64_t>(tensor.size) * sizeof(float);
  if (extent.begin > extent.end || extent.end - extent.begin != want) {
    fail(ErrorCode::DataLoss, path.string(), ": tensor '", tensor.name, "' takes bytes ",
         extent.begin, " to ", extent.end, ", not ", want);
  }
  if (extent.end > data_bytes) {
    fail(ErrorCode::DataLoss, path.string(), ": truncated, tensor '", tensor.name,
         "' ends at byte ", extent.end, " of ", data_bytes);
  }
  return extent;
}

// Reads every tensor the configuration asks for, in order, and accepts no other.
std::vector<float> read_values(const json& header, const std::vector<FileTensor>& tensors,
                               std::string_view data, const std::filesystem::path& path) {
  std::set<std::string> known{"__metadata__"};
  for (const FileTensor& tensor : tensors) known.insert(tensor.name);
  for (const auto& [name, entry] : header.items()) {
    if (!known.contains(name)) {
      fail(ErrorCode::InvalidArgument, path.string(), ": tensor '", name,
           "' is not part of the model");
    }
  }
  std::vector<float> values;
  for (const FileTensor& tensor : tensors) {
    const auto entry = header.find(tensor.name);
    if (entry == header.end()) {
      fail(ErrorCode::InvalidArgument, path.string(), ": tensor '", tensor.name, "' is missing");
    }
    const Extent extent = parse_extent(*entry, tensor, data.size(), path);
    const std::size_t at = values.size();
    if (extent.end - extent.begin > data.size() - at * sizeof(float))
      fail(ErrorCode::DataLoss, path.string(), ": tensor '", tensor.name,
           "' shares its bytes with others: the tensors take more than the file holds");
    values.resize(at + static_cast<std::size_t>(tensor.size));
    std::memcpy(values.data() + at, data.data() + extent.begin, extent.end - extent.begin);
  }
  if (data.size() != values.size() * sizeof(float)) {
    fail(ErrorCode::DataLoss, path.string(), ": the tensors take ", values.size() * sizeof(float),
         " bytes, the file holds ", data.size());
  }
  return values;
}

// The sizes of the calibration stand in its tensors' shapes.
CalibrationShape read_calibration_shape(const json& header, const std::filesystem::path& path) {
  CalibrationShape shape;
  for (const auto& [name, table] :
       {std::pair<const char*, TableShape*>{"closure", &shape.closure},
        std::pair<const char*, TableShape*>{"resolution", &shape.resolution}}) {
    const auto found = header.find(std::string("calibration.") + name + ".values");
    if (found == header.end()) continue;
    const json extents = found->is_object() ? found->value("shape", json()) : json();
    const bool usable =
        extents.is_array() && extents.size() == 2 &&
        std::all_of(extents.begin(), extents.end(), [](const json& extent) {
          return extent.is_number_unsigned() && extent.get<std::uint64_t>() >= 1 &&
                 extent.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxTableExtent);
        });
    if (!usable) {
      fail(ErrorCode::DataLoss, path.string(), ": the calibration '", name,
           "' has no shape [bins of |eta|, bins of pt]");
    }
    *table = {extents[0].get<std::int64_t>(), extents[1].get<std::int64_t>()};
  }
  return shape;
}

void scatter_values(std::span<const float> values, const Extras& extras, Model& model) {
  const auto take = [&values](std::int64_t count) {
    const std::span<const float> head = values.first(static_cast<std::size_t>(count));
    values = values.subspan(static_cast<std::size_t>(count));
    return std::vector<float>(head.begin(), head.end());
  };
  model.parameters = take(model.layout.num_parameters);
  model.buffers = take(model.layout.num_buffers);
  if (extras.standardised) {
    const std::int64_t particles = edm::num_particle_features(extras.inputs);
    const std::int64_t jets = edm::num_jet_features(extras.inputs);
    model.standardisation.particle_mean = take(particles);
    model.standardisation.particle_deviation = take(particles);
    model.standardisation.jet_mean = take(jets);
    model.standardisation.jet_deviation = take(jets);
    if (extras.bounded) {
      model.standardisation.particle_low = take(particles);
      model.standardisation.particle_high = take(particles);
      model.standardisation.jet_low = take(jets);
      model.standardisation.jet_high = take(jets);
    }
  }
  model.calibration = make_calibration(extras.calibration, values);
}

}  // namespace

void save_model(const Model& model, const std::filesystem::path& path) {
  require_consistent(model, path);
  require_usable(model, ErrorCode::FailedPrecondition, path);
  // Provenance is free text from outside: bytes that are not UTF-8 must not lose a trained model.
  std::string header =
      make_header(model).dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
  header.resize((header.size() + 7) / 8 * 8, ' ');  // aligns the data, as the format asks
  const std::uint64_t length = header.size();
  const std::vector<float> values = gather_values(model);
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  write_file(path, bytes);
}

Model load_model(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::string_view data;
  const json header = parse_header(bytes, path, data);
  std::map<std::string, std::string> metadata = parse_metadata(header, path);
  Model model;
  model.config = parse_config(metadata["config"], path);
  model.layout = make_layout(model.config);
  const Extras extras{model.config.inputs(), header.contains("standardisation.particle_mean"),
                      header.contains("standardisation.particle_low"),
                      read_calibration_shape(header, path)};
  const std::vector<FileTensor> tensors = expected_tensors(model.layout, extras);
  scatter_values(read_values(header, tensors, data, path), extras, model);
  require_usable(model.calibration, path.string());
  require_usable(model, ErrorCode::DataLoss, path);
  if (!bounds_consistent(model.standardisation))
    fail(ErrorCode::DataLoss, path.string(), ": a feature has a lower bound above its upper one");
  if (metadata["fingerprint"] != fingerprint(model)) {
    fail(ErrorCode::DataLoss, path.string(), ": corrupt, its tensors have the fingerprint ",
         fingerprint(model), " and its header says '", metadata["fingerprint"], "'");
  }
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kProvenancePrefix)) {
      model.provenance[key.substr(std::strlen(kProvenancePrefix))] = value;
    }
  }
  return model;
}

}  // namespace jetcal::models
