// SPDX-License-Identifier: Apache-2.0
#include <TFile.h>
#include <TKey.h>

#include <ROOT/RNTuple.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleView.hxx>
#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/root_errors.h"
#include "jetcal/data/detail/table.h"

namespace jetcal::data::detail {
namespace {

// Cuts a message of RNTuple to its point: no stack of functions, no note about its own result type.
std::string first_line(const std::string& text) {
  return text.substr(0, std::min(text.find('\n'), text.find(" (unchecked RResult")));
}

// Where the numbers of a column go.
struct Numbers {
  bool keep_digits;
  std::vector<float>& real;
  std::vector<std::int64_t>& integer;
  std::vector<double>& wide;
};

// Reads one field into the column it belongs to.
class Field {
 public:
  virtual ~Field() = default;
  virtual void load(std::uint64_t entry, Numbers& to) = 0;
};

template <typename Value>
void store(const Value& value, Numbers& to) {
  if constexpr (std::is_floating_point_v<Value>) {
    if (to.keep_digits) {
      to.wide.push_back(value);
    } else {
      to.real.push_back(static_cast<float>(value));
    }
  } else {
    to.integer.push_back(static_cast<std::int64_t>(value));
  }
}

template <typename Value>
class ScalarField final : public Field {
 public:
  explicit ScalarField(ROOT::RNTupleView<Value> view) : view_(std::move(view)) {}
  void load(std::uint64_t entry, Numbers& to) override {
    store(static_cast<Value>(view_(entry)), to);
  }

 private:
  ROOT::RNTupleView<Value> view_;
};

// Lists are read as std::vector, whatever class wrote them: RNTuple stores both alike.
template <typename Value>
class ListField final : public Field {
 public:
  explicit ListField(ROOT::RNTupleView<std::vector<Value>> view) : view_(std::move(view)) {}
  void load(std::uint64_t entry, Numbers& to) override {
    for (const Value value : view_(entry)) store(value, to);
  }

 private:
  ROOT::RNTupleView<std::vector<Value>> view_;
};

class CountField final : public Field {
 public:
  explicit CountField(ROOT::RNTupleView<ROOT::RNTupleCardinality<std::uint64_t>> view)
      : view_(std::move(view)) {}
  void load(std::uint64_t entry, Numbers& to) override {
    to.integer.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(view_(entry))));
  }

 private:
  ROOT::RNTupleView<ROOT::RNTupleCardinality<std::uint64_t>> view_;
};

// Peels "std::vector<T>" and "ROOT::VecOps::RVec<T>" to T; leaves other names alone.
std::string_view element_type(std::string_view type) {
  for (const std::string_view list : {"std::vector<", "ROOT::VecOps::RVec<", "ROOT::RVec<"}) {
    if (type.starts_with(list) && type.ends_with(">"))
      return type.substr(list.size(), type.size() - list.size() - 1);
  }
  return type;
}

// Knows the types that make_field takes.
std::optional<Kind> kind_of(std::string_view element, Shape shape) {
  if (element == "float" || element == "double") return Kind::Real;
  const bool count = element.starts_with("ROOT::RNTupleCardinality<") && shape == Shape::Scalar;
  const bool integer = element == "bool" || element == "char" || element.starts_with("std::int") ||
                       element.starts_with("std::uint");
  if (count || integer) return Kind::Integer;
  return std::nullopt;
}

class NtupleTable final : public Table {
 public:
  NtupleTable(std::unique_ptr<ROOT::RNTupleReader> reader, std::string path)
      : reader_(std::move(reader)), path_(std::move(path)) {}

  std::int64_t num_entries() const override {
    return static_cast<std::int64_t>(reader_->GetNEntries());
  }

  bool has(const std::string& name) const override { return field_id(name).has_value(); }

  std::optional<ColumnType> type(const std::string& name) const override {
    const std::optional<ROOT::DescriptorId_t> id = field_id(name);
    if (!id) return std::nullopt;
    const std::string type = reader_->GetDescriptor().GetFieldDescriptor(*id).GetTypeName();
    const std::string_view element = element_type(type);
    const Shape shape = element.size() == type.size() ? Shape::Scalar : Shape::List;
    return ColumnType{kind_of(element, shape), shape, element == "std::uint64_t", type};
  }

  Handle bind(const std::string& name, Kind kind, Shape shape) override {
    const std::optional<ColumnType> found = type(name);
    if (!found) fail_missing(path_, name);
    std::unique_ptr<Field> field;
    if (found->shape == shape) field = make_field(name, element_type(found->name), kind, shape);
    if (!field) fail_type(path_, name, kind, shape, found->name);
    columns_.push_back({name, kind, shape, {}, {}, {}});
    fields_.push_back(std::move(field));
    return columns_.size() - 1;
  }

  void load(std::int64_t entry) override {
    const RootMessages messages;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      Column& column = columns_[i];
      column.real.clear();
      column.integer.clear();
      column.wide.clear();
      Numbers numbers{column.kind == Kind::Wide, column.real, column.integer, column.wide};
      try {
        fields_[i]->load(static_cast<std::uint64_t>(entry), numbers);
      } catch (const ROOT::RException& error) {
        fail(ErrorCode::DataLoss, "cannot read entry ", entry, " of branch ", column.name, " in ",
             path_, ": ", first_line(error.what()));
      }
    }
  }

 private:
  std::optional<ROOT::DescriptorId_t> field_id(const std::string& name) const {
    const ROOT::DescriptorId_t id = reader_->GetDescriptor().FindFieldId(name);
    if (id == ROOT::kInvalidDescriptorId) return std::nullopt;
    return id;
  }

  template <typename Value>
  std::unique_ptr<Field> make(const std::string& name, Shape shape) {
    if (shape == Shape::List)
      return std::make_unique<ListField<Value>>(reader_->GetView<std::vector<Value>>(name));
    return std::make_unique<ScalarField<Value>>(reader_->GetView<Value>(name));
  }

  // Returns null for a type of another kind.
  std::unique_ptr<Field> make_field(const std::string& name, std::string_view element, Kind kind,
                                    Shape shape) {
    if (kind != Kind::Integer) {
      if (element == "float") return make<float>(name, shape);
      if (element == "double") return make<double>(name, shape);
      return nullptr;
    }
    if (element == "std::int8_t" || element == "char") return make<std::int8_t>(name, shape);
    if (element == "std::uint8_t") return make<std::uint8_t>(name, shape);
    if (element == "std::int16_t") return make<std::int16_t>(name, shape);
    if (element == "std::uint16_t") return make<std::uint16_t>(name, shape);
    if (element == "std::int32_t") return make<std::int32_t>(name, shape);
    if (element == "std::uint32_t") return make<std::uint32_t>(name, shape);
    if (element == "std::int64_t") return make<std::int64_t>(name, shape);
    if (element == "std::uint64_t") return make<std::uint64_t>(name, shape);
    if (element == "bool") return make<bool>(name, shape);
    if (element.starts_with("ROOT::RNTupleCardinality<") && shape == Shape::Scalar) {
      return std::make_unique<CountField>(
          reader_->GetView<ROOT::RNTupleCardinality<std::uint64_t>>(name));
    }
    return nullptr;
  }

  std::unique_ptr<ROOT::RNTupleReader> reader_;
  std::string path_;
  std::vector<std::unique_ptr<Field>> fields_;  // beside columns_
};

}  // namespace

std::unique_ptr<Table> open_ntuple_table(TFile& file, TKey& key, std::string path) {
  const RootMessages messages;
  static_cast<void>(file);
  try {
    const std::unique_ptr<ROOT::RNTuple> anchor(key.ReadObject<ROOT::RNTuple>());
    if (!anchor) fail(ErrorCode::DataLoss, "cannot read the RNTuple ", key.GetName(), " in ", path);
    return std::make_unique<NtupleTable>(ROOT::RNTupleReader::Open(*anchor), std::move(path));
  } catch (const ROOT::RException& error) {
    fail(ErrorCode::DataLoss, "cannot read the RNTuple ", key.GetName(), " in ", path, ": ",
         first_line(error.what()));
  }
}

}  // namespace jetcal::data::detail
