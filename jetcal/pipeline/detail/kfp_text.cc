// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_text.h"

#include <cctype>

#include "jetcal/pipeline/detail/container_command.h"

namespace jetcal::pipeline {
namespace {

// Takes `prefix` + name + `suffix` from `text` at `at`; false where it is not there.
bool take_named(const std::string& text, std::size_t& at, const std::string& prefix,
                const std::string& suffix, std::string& name) {
  if (text.compare(at, prefix.size(), prefix) != 0) return false;
  const std::size_t end = text.find(suffix, at + prefix.size());
  if (end == std::string::npos) return false;
  name = text.substr(at + prefix.size(), end - at - prefix.size());
  at = end + suffix.size();
  return true;
}

class WordReader {
 public:
  WordReader(const Step& step, const std::string& source) : step_(step), source_(source) {}

  std::vector<Word> read(const std::string& text, Position at) {
    at_ = at;
    constants_ = 0;
    if (text.starts_with("{\"Concat\"") || text.starts_with("{\"IfPresent\"")) {
      const Json value = Json::parse(text, nullptr, false);
      if (value.is_object()) return words(value);
    }
    return words(Json(text));
  }

 private:
  std::vector<Word> words(const Json& value, int depth = 0) {
    constexpr int kMaxDepth = 32;
    if (depth > kMaxDepth)
      fail_at(source_, at_, "an argument of the step '", step_.name, "' is nested too deep");
    if (value.is_string()) return {word(value.get<std::string>())};
    if (value.is_array()) {
      std::vector<Word> all;
      for (const Json& one : value) {
        for (Word& inner : words(one, depth + 1)) all.push_back(std::move(inner));
      }
      return all;
    }
    if (value.is_object() && value.contains("Concat")) {
      Word joined;
      for (Word& part : words(value["Concat"], depth + 1))
        joined.insert(joined.end(), part.begin(), part.end());
      return {joined};
    }
    if (value.is_object() && value.contains("IfPresent")) {
      const Json& branch = value["IfPresent"];
      const char* way = has_input(branch) ? "Then" : "Else";
      return branch.contains(way) ? words(branch[way], depth + 1) : std::vector<Word>{};
    }
    fail_at(source_, at_, "the argument ", value.dump(), " of the step '", step_.name,
            "' is neither text nor Concat nor IfPresent");
  }

  bool has_input(const Json& branch) const {
    return branch.is_object() && branch.contains("InputName") && branch["InputName"].is_string() &&
           step_.find_input(branch["InputName"].get<std::string>()) != nullptr;
  }

  Word word(const std::string& text) {
    constexpr std::size_t kMaxLetters = 1U << 18U;  // tasks share components, which adds up
    letters_ += text.size();
    if (letters_ > kMaxLetters)
      fail_at(source_, at_, "the command of the step '", step_.name, "' has more than ",
              kMaxLetters, " letters");
    Word word;
    std::string plain;
    const auto flush = [&] {
      if (!plain.empty()) word.push_back({Fragment::Kind::Text, plain, false});
      plain.clear();
    };
    const std::string_view work = kContainerWork;
    for (std::size_t i = 0; i < text.size();) {
      if (text.compare(i, work.size(), work) == 0) {
        // What we rendered: here several steps run at a time, each in a folder of its own.
        flush();
        word.push_back({Fragment::Kind::Work, "", false});
        i += work.size();
        continue;
      }
      if (text.compare(i, 2, "{{") != 0) {
        plain += text[i++];
        continue;
      }
      flush();
      for (Fragment& part : placeholder(text, i)) word.push_back(std::move(part));
    }
    flush();
    if (word.empty()) word.push_back({Fragment::Kind::Text, "", false});
    return word;
  }

  Word placeholder(const std::string& text, std::size_t& i) {
    using Kind = Fragment::Kind;
    std::string name;
    if (take_named(text, i, "{{$.inputs.parameters['", "']}}", name)) return input(name);
    for (const char* end : {"'].path}}", "'].uri}}"}) {
      std::size_t next = i;
      if (take_named(text, next, "{{$.inputs.artifacts['", end, name) &&
          name.find('\'') == std::string::npos) {
        i = next;
        return {{Kind::Input, name, false}};
      }
      next = i;
      if (take_named(text, next, "{{$.outputs.artifacts['", end, name) &&
          name.find('\'') == std::string::npos) {
        i = next;
        return {{Kind::Output, name, false}};
      }
    }
    if (take_named(text, i, "{{$.outputs.parameters['", "'].output_file}}", name))
      return {{Kind::Output, name, false}};
    if (text.compare(i, 5, "{{$}}") == 0 && i > 0 && takes_list(text.substr(0, i))) {
      i += 5;
      return {{Kind::Input, text.substr(0, i - 6), true}};
    }
    if (text.compare(i, 5, "{{$}}") == 0)
      fail_at(source_, at_, "the step '", step_.name,
              "' is a Python function component ({{$}}); only container components run here");
    const std::size_t end = text.find("}}", i);
    fail_at(source_, at_, "the placeholder ", text.substr(i, end - i + 2), " of the step '",
            step_.name, "' means nothing here");
  }

  // What we rendered for `jetcal pipeline exec`: NAME={{$}}, where it looks for the artefacts of
  // NAME.
  bool takes_list(const std::string& before) const {
    const InputPort* port = step_.find_input(before.substr(0, before.size() - 1));
    return before.back() == '=' && port != nullptr && is_artifact(port->type);
  }

  // A constant may be made of other inputs: its text takes the placeholder's place.
  Word input(const std::string& name) {
    const InputPort* port = step_.find_input(name);
    const bool constant = port != nullptr && port->source.kind == Source::Kind::Constant &&
                          port->source.constant.is_string();
    const std::string text = constant ? port->source.constant.get<std::string>() : "";
    const bool file = port != nullptr && port->source.kind == Source::Kind::External;
    if (text.find("{{$.inputs") == std::string::npos) return {{Fragment::Kind::Input, name, !file}};
    constexpr int kMaxConstants = 1000;
    if (++constants_ > kMaxConstants)
      fail_at(source_, at_, "the input '", name, "' of the step '", step_.name,
              "' is made of itself, or of more than ", kMaxConstants, " others");
    return word(text);
  }

  const Step& step_;
  const std::string& source_;
  Position at_;              // of the word
  int constants_ = 0;        // that were put in the place of its placeholders
  std::size_t letters_ = 0;  // of all words
};

const char* cel_operator(Expression::Kind kind) {
  using Kind = Expression::Kind;
  switch (kind) {
    case Kind::And:
      return " && ";
    case Kind::Or:
      return " || ";
    case Kind::Equal:
      return " == ";
    case Kind::NotEqual:
      return " != ";
    case Kind::Less:
      return " < ";
    case Kind::LessEqual:
      return " <= ";
    case Kind::Greater:
      return " > ";
    default:
      return " >= ";
  }
}

}  // namespace

std::string kfp_item_input(const std::string& field) {
  return field.empty() ? "loop-item" : "loop-item-" + field;
}

std::string write_kfp_condition(const Expression& condition) {
  using Kind = Expression::Kind;
  if (condition.kind == Kind::Literal) {
    if (!condition.literal.is_string()) return condition.literal.dump();
    const std::string text = condition.literal.get<std::string>();
    const char quote = text.find('\'') == std::string::npos ? '\'' : '"';  // our own hold only one
    return quote + text + quote;
  }
  if (condition.kind == Kind::Reference) {
    const Fragment& part = condition.reference;
    const bool item = part.kind == Fragment::Kind::Item;
    return "inputs.parameter_values['" + (item ? kfp_item_input(part.text) : part.text) + "']";
  }
  const std::string first = write_kfp_condition(condition.operands[0]);
  if (condition.kind == Kind::Not) return "!(" + first + ")";
  return "(" + first + cel_operator(condition.kind) + write_kfp_condition(condition.operands[1]) +
         ")";
}

std::vector<Word> read_kfp_words(const std::vector<Node>& texts, const Step& step,
                                 const std::string& source) {
  WordReader reader(step, source);
  std::vector<Word> all;
  for (const Node& text : texts) {
    for (Word& word : reader.read(text.text, text.at)) all.push_back(std::move(word));
  }
  return all;
}

KfpCondition read_kfp_condition(const std::string& text, const std::string& source, Position at) {
  KfpCondition condition;
  std::size_t i = 0;
  const auto take = [&](const std::string& token) {
    if (text.compare(i, token.size(), token) != 0) return false;
    i += token.size();
    return true;
  };
  while (i < text.size()) {
    std::string name;
    bool cast = false;
    for (const char* function : {"int(", "double(", "string(", "bool("}) {
      if (take(function)) cast = true;
    }
    if (take_named(text, i, "inputs.parameter_values['", "']", name)) {
      condition.inputs.push_back(name);
      condition.text += "${inputs." + name + "}";
      if (cast && !take(")")) fail_at(source, at, "the condition '", text, "' cannot be read");
    } else if (text.compare(i, 2, "!=") == 0) {
      condition.text += "!=";
      i += 2;
    } else if (take("!")) {
      condition.text += " not ";
    } else if (text[i] == '\'' || text[i] == '"') {
      const std::size_t end = text.find(text[i], i + 1);
      if (end == std::string::npos)
        fail_at(source, at, "the condition '", text, "' cannot be read");
      condition.text += text.substr(i, end - i + 1);
      i = end + 1;
    } else {
      condition.text += text[i++];
    }
  }
  return condition;
}

}  // namespace jetcal::pipeline
