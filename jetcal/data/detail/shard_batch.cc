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

 private:
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

edm::JetView view_batch(const std::string& name, const arrow::RecordBatch& batch) {
  return BatchViewer(name, batch).view();
}

}  // namespace jetcal::data::detail
