// SPDX-License-Identifier: Apache-2.0
// A table as plain data, laid out for a terminal or for a page.
#pragma once

#include <string>
#include <vector>

namespace jetcal::analysis {

/// Heads a column. Neighbours of the same non-empty group share a second head above them.
struct Column {
  std::string head, group;
};

struct Table {
  std::string title;
  std::vector<Column> columns;
  int label_columns = 1;  ///< The first columns name the row and are flush left.
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> remarks;  ///< Lines below.
};

/// Lays the table out with spaces, under its title; a group is put before the heads of its columns.
std::string to_text(const Table& table);

/// Writes the table as HTML, "+-" as its sign. A label that equals the one above is left blank.
std::string to_html(const Table& table);

}  // namespace jetcal::analysis
