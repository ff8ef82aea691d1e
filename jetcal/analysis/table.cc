// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "jetcal/analysis/detail/markup.h"

namespace jetcal::analysis {

namespace {

std::string text_head(const Column& column) {
  return column.group.empty() ? column.head : column.group + " " + column.head;
}

std::string text_line(const Table& table, const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += static_cast<int>(i) < table.label_columns ? fmt::format("{:<{}}", cells[i], widths[i])
                                                      : fmt::format("{:>{}}", cells[i], widths[i]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string html_cell(const std::string& text) {
  std::string cell = detail::escape_markup(text);
  const std::size_t sign = cell.find("+-");
  if (sign != std::string::npos) cell.replace(sign, 2, "&plusmn;");
  return cell;
}

// The row of groups above the heads, empty when no column has one.
std::string html_groups(const Table& table) {
  std::string row;
  bool any = false;
  for (std::size_t i = 0; i < table.columns.size();) {
    std::size_t end = i + 1;
    const std::string& group = table.columns[i].group;
    while (end < table.columns.size() && table.columns[end].group == group) ++end;
    row += fmt::format("<th colspan=\"{}\">{}</th>", end - i, detail::escape_markup(group));
    any = any || !group.empty();
    i = end;
  }
  return any ? "<tr class=\"groups\">" + row + "</tr>\n" : "";
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<std::string> heads;
  heads.reserve(table.columns.size());
  for (const Column& column : table.columns) heads.push_back(text_head(column));
  std::vector<std::size_t> widths;
  widths.reserve(heads.size());
  for (const std::string& head : heads) widths.push_back(head.size());
  for (const std::vector<std::string>& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::size_t total = 2 * (widths.size() - 1);
  for (const std::size_t width : widths) total += width;
  std::string text =
      table.title + '\n' + text_line(table, heads, widths) + std::string(total, '-') + '\n';
  for (const std::vector<std::string>& row : table.rows) text += text_line(table, row, widths);
  for (const std::string& remark : table.remarks) text += remark + '\n';
  return text;
}

std::string to_html(const Table& table) {
  std::string html = "<div class=\"table\"><table>\n<caption>" +
                     detail::escape_markup(table.title) + "</caption>\n<thead>\n" +
                     html_groups(table) + "<tr>";
  for (const Column& column : table.columns)
    html += "<th>" + detail::escape_markup(column.head) + "</th>";
  html += "</tr>\n</thead>\n<tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::vector<std::string>& row = table.rows[r];
    html += "<tr>";
    bool repeated = r > 0;  // of the labels so far
    for (int i = 0; i < static_cast<int>(row.size()); ++i) {
      if (i >= table.label_columns) {
        html += "<td>" + html_cell(row[i]) + "</td>";
        continue;
      }
      repeated = repeated && table.rows[r - 1][i] == row[i] && table.label_columns > 1;
      html += repeated ? "<th></th>" : "<th>" + html_cell(row[i]) + "</th>";
    }
    html += "</tr>\n";
  }
  html += "</tbody></table>\n";
  for (const std::string& remark : table.remarks)
    html += "<p class=\"remark\">" + detail::escape_markup(remark) + "</p>\n";
  return html + "</div>\n";
}

}  // namespace jetcal::analysis
