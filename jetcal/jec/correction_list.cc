// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/correction_list.h"

#include "jetcal/jec/detail/json_fields.h"
#include "jetcal/jec/detail/json_reader.h"
#include "jetcal/jec/detail/text_reader.h"

namespace jetcal::jec {

namespace {

using detail::Json;
using detail::JsonPlace;

CorrectionEntry read_entry(const Json& json, const char* kind, const JsonPlace& place) {
  CorrectionEntry entry;
  entry.name = detail::text_field(json, "name", place);
  entry.kind = kind;
  if (json.contains("description") && json["description"].is_string())
    entry.description = json["description"].get<std::string>();
  const Json& inputs = detail::array_field(json, "inputs", place);
  const JsonPlace list = place.at("inputs");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const JsonPlace here = list.at(i);
    entry.inputs.push_back(
        {detail::text_field(inputs[i], "name", here), detail::text_field(inputs[i], "type", here)});
  }
  if (json.contains("stack")) entry.stack = detail::texts_field(json, "stack", place);
  return entry;
}

void read_entries(const Json& set, const char* list, const char* kind, const JsonPlace& root,
                  std::vector<CorrectionEntry>& entries) {
  if (!set.contains(list) || set[list].is_null()) return;
  const Json& corrections = detail::array_field(set, list, root);
  const JsonPlace place = root.at(list);
  for (std::size_t i = 0; i < corrections.size(); ++i)
    entries.push_back(read_entry(corrections[i], kind, place.at(i)));
}

}  // namespace

std::vector<CorrectionEntry> list_corrections(const std::filesystem::path& file) {
  const std::string name = file.string();
  const CorrectionText text{name, detail::read_maybe_gzip(file)};
  if (!detail::is_json_name(file)) return detail::list_sections(text);
  const Json set = detail::parse_correction_set(text);
  const JsonPlace root{nullptr, nullptr, 0, &name};
  std::vector<CorrectionEntry> entries;
  read_entries(set, "corrections", "correction", root, entries);
  read_entries(set, "compound_corrections", "compound", root, entries);
  return entries;
}

}  // namespace jetcal::jec
