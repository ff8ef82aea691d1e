// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/jet_corrector.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/jec/detail/correction_stack.h"
#include "jetcal/jec/detail/json_reader.h"
#include "jetcal/jec/detail/text_reader.h"

namespace jetcal::jec {

namespace {

constexpr auto kBlock = static_cast<std::size_t>(Formula::kBlock);

// A number input as the table gives it.
struct Column {
  std::span<const double> values;
  bool absolute = false;
};

// The columns of a table, found once per call.
struct BoundTable {
  std::vector<Column> numbers;
  std::vector<std::span<const std::string>> texts;
};

// Two names of CMS mean what another column holds.
Column find_column(const JetTable& jets, const std::string& name) {
  auto found = jets.columns.find(name);
  if (found != jets.columns.end()) return {found->second, false};
  if (name == "JetAbsEta") {
    found = jets.columns.find("JetEta");
    if (found != jets.columns.end()) return {found->second, true};
  }
  if (name == "JetArea" || name == "JetA") {
    found = jets.columns.find(name == "JetA" ? "JetArea" : "JetA");
    if (found != jets.columns.end()) return {found->second, false};
  }
  fail(ErrorCode::InvalidArgument, "the correction needs a column ", name,
       ", which the jets do not have");
}

BoundTable bind(const CorrectionStack& stack, const JetTable& jets, std::size_t out_size) {
  const auto rows = static_cast<std::size_t>(jets.rows);
  if (jets.rows < 0 || out_size != rows) {
    fail(ErrorCode::InvalidArgument, "the output has ", out_size, " rows, the jets have ",
         jets.rows);
  }
  BoundTable bound;
  for (const std::string& name : stack.inputs) {
    bound.numbers.push_back(find_column(jets, name));
    if (bound.numbers.back().values.size() != rows) {
      fail(ErrorCode::InvalidArgument, "the column ", name, " has ",
           bound.numbers.back().values.size(), " rows, the jets have ", rows);
    }
  }
  for (const std::string& name : stack.text_inputs) {
    const auto found = jets.texts.find(name);
    if (found == jets.texts.end()) {
      fail(ErrorCode::InvalidArgument, "the correction needs a text column ", name,
           ", which the jets do not have");
    }
    if (found->second.size() != rows && found->second.size() != 1) {
      fail(ErrorCode::InvalidArgument, "the text column ", name, " has ", found->second.size(),
           " rows, the jets have ", rows);
    }
    bound.texts.push_back(found->second);
  }
  return bound;
}

// Evaluates the levels on one block of rows after the other.
class BlockRun {
 public:
  BlockRun(const CorrectionStack& stack, const BoundTable& table, std::size_t levels)
      : stack_(stack),
        table_(table),
        levels_(levels),
        values_(stack.inputs.size() * kBlock),
        ids_(stack.text_inputs.size() * kBlock) {}

  void run(std::int64_t first, std::int64_t n, double* out, OutsideRows& outside) {
    for (std::size_t c = 0; c < table_.numbers.size(); ++c) load(c, first, n);
    if (levels_ == 0) std::fill_n(out, n, 1.0);
    Places places{};
    for (std::size_t l = 0; l < levels_; ++l) {
      detail::TreeReport report;
      evaluate(stack_.levels[l], first, n, report);
      if (report.any_outside) note(stack_.levels[l], report, places);
      const double* result = result_.data();
      for (const int column : stack_.updated)
        combine(stack_.input_op, n, result, &values_[static_cast<std::size_t>(column) * kBlock]);
      if (l == 0) {
        std::copy_n(result, n, out);
      } else {
        combine(stack_.output_op, n, result, out);
      }
    }
    count(places, first, outside);
  }

 private:
  using Places = std::array<const std::string*, kBlock>;  // the file that a row is outside of

  void load(std::size_t c, std::int64_t first, std::int64_t n) {
    const Column& column = table_.numbers[c];
    double* to = &values_[c * kBlock];
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = column.values[static_cast<std::size_t>(first + i)];
      if (std::isnan(x))
        fail(ErrorCode::InvalidArgument, stack_.inputs[c], " of row ", first + i,
             " (counted from 0) is not a number");
      if (stack_.integer_inputs[c] && x != std::floor(x))
        fail(ErrorCode::InvalidArgument, stack_.inputs[c], " of row ", first + i, " is ", x,
             ", the correction wants an integer");
      to[i] = column.absolute ? std::abs(x) : x;
    }
  }

  void evaluate(const CorrectionStack::Level& level, std::int64_t first, std::int64_t n,
                detail::TreeReport& report) {
    columns_.clear();
    text_ids_.clear();
    for (const int c : level.numbers)
      columns_.push_back(&values_[static_cast<std::size_t>(c) * kBlock]);
    for (const int c : level.texts) {
      const auto column = static_cast<std::size_t>(c);
      std::int64_t* ids = &ids_[column * kBlock];
      find_ids(*level.tree, table_.texts[column], first, n, ids);
      text_ids_.push_back(ids);
    }
    level.tree->evaluate(n, first, columns_.data(), text_ids_.data(), result_.data(), report);
  }

  static void find_ids(const detail::CorrectionTree& tree, std::span<const std::string> texts,
                       std::int64_t first, std::int64_t n, std::int64_t* ids) {
    const auto id_of = [&tree](const std::string& text) {
      const auto found = tree.text_keys.find(text);
      return found == tree.text_keys.end() ? -1 : found->second;
    };
    if (texts.size() == 1) {
      std::fill_n(ids, n, id_of(texts[0]));
      return;
    }
    for (std::int64_t i = 0; i < n; ++i) ids[i] = id_of(texts[static_cast<std::size_t>(first + i)]);
  }

  static void note(const CorrectionStack::Level& level, const detail::TreeReport& report,
                   Places& places) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (report.outside[i] && places[i] == nullptr) places[i] = &level.tree->source;
    }
  }

  // Counts a row once, however many levels it is outside of.
  static void count(const Places& places, std::int64_t first, OutsideRows& outside) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] == nullptr || outside.count++ > 0) continue;
      outside.first_row = first + static_cast<std::int64_t>(i);
      outside.where = *places[i];
    }
  }

  static void combine(StackOp op, std::int64_t n, const double* result, double* into) {
    switch (op) {
      case StackOp::Add:
        for (std::int64_t i = 0; i < n; ++i) into[i] += result[i];
        return;
      case StackOp::Multiply:
        for (std::int64_t i = 0; i < n; ++i) into[i] *= result[i];
        return;
      case StackOp::Divide:
        for (std::int64_t i = 0; i < n; ++i) into[i] /= result[i];
        return;
      case StackOp::Last:
        std::copy_n(result, n, into);
        return;
    }
  }

  const CorrectionStack& stack_;
  const BoundTable& table_;
  std::size_t levels_;
  std::vector<double> values_;
  std::vector<std::int64_t> ids_;
  std::array<double, kBlock> result_{};
  std::vector<const double*> columns_;
  std::vector<const std::int64_t*> text_ids_;
};

constexpr std::int64_t kGrain = 16384;  // rows that are worth a thread

void run_range(const CorrectionStack& stack, const BoundTable& table, std::size_t levels,
               std::int64_t begin, std::int64_t end, double* out, OutsideRows& outside) {
  BlockRun run(stack, table, levels);
  for (std::int64_t first = begin; first < end; first += Formula::kBlock)
    run.run(first, std::min(Formula::kBlock, end - first), out + first, outside);
}

void merge(const OutsideRows& part, OutsideRows& whole) {
  const std::int64_t count = whole.count + part.count;
  if (part.count > 0 && (whole.count == 0 || part.first_row < whole.first_row)) whole = part;
  whole.count = count;
}

}  // namespace

JetCorrector::JetCorrector(std::shared_ptr<const CorrectionStack> stack)
    : stack_(std::move(stack)) {}
JetCorrector::JetCorrector(const JetCorrector&) = default;
JetCorrector::JetCorrector(JetCorrector&&) noexcept = default;
JetCorrector& JetCorrector::operator=(const JetCorrector&) = default;
JetCorrector& JetCorrector::operator=(JetCorrector&&) noexcept = default;
JetCorrector::~JetCorrector() = default;

JetCorrector JetCorrector::open(std::span<const std::filesystem::path> files,
                                const std::string& name) {
  if (files.empty()) fail(ErrorCode::InvalidArgument, "no correction file is given");
  if (std::any_of(files.begin(), files.end(), detail::is_json_name)) {
    if (files.size() > 1) {
      fail(ErrorCode::InvalidArgument, "a correctionlib JSON stands alone, ", files.size(),
           " correction files are given");
    }
    return parse_json({files[0].string(), detail::read_maybe_gzip(files[0])}, name);
  }
  std::vector<CorrectionText> texts;
  for (const auto& file : files) texts.push_back({file.string(), detail::read_maybe_gzip(file)});
  return parse(texts, name);
}

JetCorrector JetCorrector::parse(std::span<const CorrectionText> texts, const std::string& name) {
  if (texts.empty()) fail(ErrorCode::InvalidArgument, "no correction file is given");
  auto stack = std::make_shared<CorrectionStack>();
  for (const CorrectionText& text : texts) {
    std::unique_ptr<detail::CorrectionTree> tree = detail::read_text(text, name);
    std::string level = tree->level;
    stack->add(std::move(level), std::move(tree));
  }
  stack->update("JetPt");
  stack->update("JetE");
  stack->sort_inputs();
  return JetCorrector(std::move(stack));
}

JetCorrector JetCorrector::parse_json(const CorrectionText& json, const std::string& name) {
  const nlohmann::json set = detail::parse_correction_set(json);
  return JetCorrector(detail::read_stack(set, json.name, name));
}

const std::vector<std::string>& JetCorrector::inputs() const noexcept { return stack_->inputs; }
const std::vector<std::string>& JetCorrector::text_inputs() const noexcept {
  return stack_->text_inputs;
}
std::size_t JetCorrector::num_levels() const noexcept { return stack_->levels.size(); }
const std::string& JetCorrector::level_name(std::size_t level) const {
  return stack_->levels.at(level).name;
}

OutsideRows JetCorrector::factors(const JetTable& jets, std::span<double> out) const {
  return factors_up_to(num_levels(), jets, out);
}

OutsideRows JetCorrector::factors_up_to(std::size_t levels, const JetTable& jets,
                                        std::span<double> out) const {
  const BoundTable table = bind(*stack_, jets, out.size());
  const std::size_t num = std::min(levels, num_levels());
  OutsideRows outside;
  if (jets.rows < 2 * kGrain) {
    run_range(*stack_, table, num, 0, jets.rows, out.data(), outside);
    return outside;
  }
  std::mutex mutex;
  parallel_for(jets.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    OutsideRows part;
    run_range(*stack_, table, num, begin, end, out.data(), part);
    const std::lock_guard lock(mutex);
    merge(part, outside);
  });
  return outside;
}

}  // namespace jetcal::jec
