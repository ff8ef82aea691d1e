// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/shard_batch.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>

#include "jetcal/base/error.h"

namespace jetcal::data::detail {
namespace {

// Turns the columns of one record batch into spans, checking everything that a view relies on.
class BatchViewer {
 public:
  BatchViewer(const std::string& path, const arrow::RecordBatch& batch)
      : path_(path), batch_(batch) {}

  edm::JetView view() {
    edm::JetView view;
    view.num_jets = batch_.num_rows();
#define JETCAL_VIEW(type, name) view.name = scalars<type>(#name);
    JETCAL_JET_COLUMNS(JETCAL_VIEW)
#undef JETCAL_VIEW
#define JETCAL_VIEW(type, name) view.name = lists<type>(#name, view.offsets);
    JETCAL_PARTICLE_COLUMNS(JETCAL_VIEW)
#undef JETCAL_VIEW
    return view;
  }

  TargetView targets() {
    TargetView view;
    view.jets.num_jets = batch_.num_rows();
    view.jets.pt_reco = scalars<float>("pt_reco");
    view.jets.pt_gen = scalars<float>("pt_gen");
    view.weight = weight();
    return view;
  }

  ShardExtras extras() {
    ShardExtras extras;
    extras.source_entry = scalars<std::int64_t>("source_entry");
    extras.source_jet = scalars<std::int32_t>("source_jet");
    extras.weight = weight();
    for (const std::shared_ptr<arrow::Field>& field : batch_.schema()->fields()) {
      if (is_own(field->name())) continue;
      extras.observers.push_back(observer(field->name().c_str(), field->type()->id()));
    }
    return extras;
  }

 private:
  std::span<const float> weight() const {
    if (!batch_.GetColumnByName("training_weight")) return {};
    return scalars<float>("training_weight");
  }

  static bool is_own(const std::string& name) {
#define JETCAL_IS(type, column) \
  if (name == #column) return true;
    JETCAL_JET_COLUMNS(JETCAL_IS)
    JETCAL_PARTICLE_COLUMNS(JETCAL_IS)
#undef JETCAL_IS
    return name == "source_entry" || name == "source_jet" || name == "training_weight";
  }

  NumberView observer(const char* name, arrow::Type::type type) const {
    if (type == arrow::Type::DOUBLE) return {name, NumberType::Real, scalars<double>(name), {}};
    if (type == arrow::Type::INT64)
      return {name, NumberType::Integer, {}, scalars<std::int64_t>(name)};
    if (type != arrow::Type::UINT64) {
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_,
           " is no observer: those hold float64, int64 or uint64");
    }
    const std::span<const std::uint64_t> bits = scalars<std::uint64_t>(name);
    return {name,
            NumberType::Unsigned,
            {},
            {reinterpret_cast<const std::int64_t*>(bits.data()), bits.size()}};
  }

  std::shared_ptr<arrow::Array> column(const char* name, const arrow::DataType& type) const {
    std::shared_ptr<arrow::Array> array = batch_.GetColumnByName(name);
    if (!array) fail(ErrorCode::DataLoss, "the shard ", path_, " lacks the column ", name);
    if (!array->type()->Equals(type)) {
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_, " is a ",
           array->type()->ToString(), ", not a ", type.ToString());
    }
    if (array->null_count() != 0)
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_, " has empty values");
    return array;
  }

  template <typename T>
  std::span<const T> values(const char* name, const arrow::Array& array) const {
    const T* begin = array.length() == 0 ? nullptr : array.data()->GetValues<T>(1);
    if (reinterpret_cast<std::uintptr_t>(begin) % alignof(T) != 0)
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_, " is not aligned");
    return {begin, static_cast<std::size_t>(array.length())};
  }

  template <typename T>
  std::span<const T> scalars(const char* name) const {
    return values<T>(name, *column(name, *arrow::CTypeTraits<T>::type_singleton()));
  }

  template <typename T>
  std::span<const T> lists(const char* name, std::span<const std::int64_t>& common) const {
    const auto type = arrow::large_list(arrow::CTypeTraits<T>::type_singleton());
    const std::shared_ptr<arrow::Array> array = column(name, *type);
    const auto& list = static_cast<const arrow::LargeListArray&>(*array);
    const std::int64_t* raw = list.length() == 0 ? &kNoOffsets : list.raw_value_offsets();
    const std::span<const std::int64_t> offsets(raw, static_cast<std::size_t>(list.length()) + 1);
    const std::span<const T> particles = values<T>(name, *list.values());
    if (offsets.front() < 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
        offsets.back() > static_cast<std::int64_t>(particles.size()) ||
        list.values()->null_count() != 0) {
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_,
           " has impossible offsets");
    }
    if (common.empty()) common = offsets;
    if (!std::equal(offsets.begin(), offsets.end(), common.begin(), common.end())) {
      fail(ErrorCode::DataLoss, "the column ", name, " of the shard ", path_,
           " has other particles per jet than the columns before it");
    }
    return particles;
  }

  static constexpr std::int64_t kNoOffsets = 0;
  const std::string& path_;
  const arrow::RecordBatch& batch_;
};

}  // namespace

BatchView view_batch(const std::string& name, const arrow::RecordBatch& batch) {
  BatchViewer viewer(name, batch);
  return {viewer.view(), viewer.extras()};
}

TargetView view_targets(const std::string& name, const arrow::RecordBatch& batch) {
  return BatchViewer(name, batch).targets();
}

}  // namespace jetcal::data::detail
