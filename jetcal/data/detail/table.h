// SPDX-License-Identifier: Apache-2.0
// One way to read the columns of a TTree and of an RNTuple, entry by entry, whatever their types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

class TFile;
class TKey;

namespace jetcal::data::detail {

/// Says what a column must hold. Real and Wide take float and double; Wide keeps the digits of
/// doubles. Integer takes every integer type.
enum class Kind { Real, Integer, Wide };
/// Says whether an entry holds one number or a list of them.
enum class Shape { Scalar, List };

/// Says what a column of a file holds.
struct ColumnType {
  std::optional<Kind> kind;  ///< Absent when it holds no numbers that bind() takes.
  Shape shape = Shape::Scalar;
  bool is_unsigned = false;  ///< Of 64 bits: the only type whose numbers Integer cannot hold.
  std::string name;          ///< For messages, e.g. "a list of Float_t".
};

/// Reads bound columns entry by entry. Errors name the file and the branch.
class Table {
 public:
  /// Identifies a bound column.
  using Handle = std::size_t;

  virtual ~Table() = default;
  virtual std::int64_t num_entries() const = 0;
  virtual bool has(const std::string& name) const = 0;
  /// Returns nothing when there is no such column.
  virtual std::optional<ColumnType> type(const std::string& name) const = 0;
  /// Adds a column to those that load() reads. Throws InvalidArgument when it is missing or of
  /// another kind or shape.
  virtual Handle bind(const std::string& name, Kind kind, Shape shape) = 0;
  /// Reads all bound columns of one entry. Throws DataLoss.
  virtual void load(std::int64_t entry) = 0;

  /// Return the values of the entry loaded last.
  std::span<const float> reals(Handle handle) const { return columns_[handle].real; }
  std::span<const std::int64_t> integers(Handle handle) const { return columns_[handle].integer; }
  std::span<const double> wide_reals(Handle handle) const { return columns_[handle].wide; }
  float real(Handle handle) const { return columns_[handle].real.front(); }
  std::int64_t integer(Handle handle) const { return columns_[handle].integer.front(); }

 protected:
  struct Column {
    std::string name;
    Kind kind = Kind::Real;
    Shape shape = Shape::Scalar;
    std::vector<float> real;
    std::vector<std::int64_t> integer;  // unsigned 64-bit numbers keep their bits
    std::vector<double> wide;
  };
  std::vector<Column> columns_;
};

/// Opens a TTree of an open file; the file must outlive the table.
std::unique_ptr<Table> open_tree_table(TFile& file, TKey& key, std::string path);
/// Opens an RNTuple of an open file; the file must outlive the table.
std::unique_ptr<Table> open_ntuple_table(TFile& file, TKey& key, std::string path);

/// Throws InvalidArgument: `path` lacks the branch.
[[noreturn]] void fail_missing(const std::string& path, const std::string& branch);
/// Throws InvalidArgument: the branch is a `found`, not what `kind` and `shape` ask for.
[[noreturn]] void fail_type(const std::string& path, const std::string& branch, Kind kind,
                            Shape shape, std::string_view found);

}  // namespace jetcal::data::detail
