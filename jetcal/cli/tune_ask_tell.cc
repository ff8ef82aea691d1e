// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/tune_ask_tell.h"

#include <cmath>
#include <ctime>
#include <iostream>

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Json to_json(const hpo::Assignment& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values)
    std::visit([&json, &name = name](const auto& plain) { json[name] = plain; }, value);
  return json;
}

hpo::Assignment read_values(const hpo::SearchSpace& space, const Json& json) {
  hpo::Assignment values;
  for (const auto& [name, value] : json.items()) {
    const hpo::Parameter* parameter = space.find(name);
    if (parameter == nullptr)
      fail(ErrorCode::InvalidArgument, "the search space has no parameter '", name, "'");
    values[name] =
        hpo::parse_value(*parameter, value.is_string() ? value.get<std::string>() : value.dump());
  }
  space.check(values);
  return values;
}

// JSON has no number for what is none; null stands for it.
std::vector<double> read_numbers(const Json& request, const char* field) {
  std::vector<double> numbers;
  for (const Json& number : request.value(field, Json::array()))
    numbers.push_back(number.is_null() ? std::nan("") : number.get<double>());
  return numbers;
}

class Conversation {
 public:
  Conversation(const hpo::SearchSpace& space, const std::vector<hpo::Objective>& objectives,
               hpo::Algorithm& algorithm, const hpo::Algorithm* early_stopping)
      : space_(space), algorithm_(algorithm), early_stopping_(early_stopping) {
    history_.objectives = objectives;
  }

  Json answer(const Json& request) {
    const auto op = request.at("op").get<std::string>();
    if (op == "ask") return ask();
    if (op == "add") return add(request);
    if (op == "report") return report(request);
    if (op == "tell") return tell(request);
    fail(ErrorCode::InvalidArgument, "the request '", op,
         "' is unknown; there are ask, add, report and tell");
  }

 private:
  hpo::Trial& begin(hpo::Assignment values) {
    hpo::Trial trial;
    trial.number = static_cast<std::int64_t>(history_.trials.size());
    trial.values = std::move(values);
    trial.state = hpo::TrialState::Running;
    return history_.trials.emplace_back(std::move(trial));
  }

  Json ask() {
    const double start = cpu_seconds();
    std::optional<hpo::Proposal> proposal = algorithm_.propose(history_);
    const double seconds = cpu_seconds() - start;
    if (!proposal) return {{"trial", nullptr}, {"cpu_seconds", seconds}};
    hpo::Trial& trial = proposal->resume
                            ? history_.trials.at(static_cast<std::size_t>(*proposal->resume))
                            : begin(std::move(proposal->values));
    trial.state = hpo::TrialState::Running;
    trial.budget = proposal->budget;
    trial.bracket = proposal->bracket;
    Json answer = {{"trial", trial.number},           {"resume", proposal->resume.has_value()},
                   {"values", to_json(trial.values)}, {"budget", proposal->budget},
                   {"last", proposal->last},          {"bracket", proposal->bracket},
                   {"cpu_seconds", seconds}};
    if (algorithm_.left_out() > 0) answer["left_out"] = algorithm_.left_out();
    return answer;
  }

  Json add(const Json& request) {
    return {{"trial", begin(read_values(space_, request.at("values"))).number}};
  }

  hpo::Trial& running(const Json& request) {
    const auto number = request.at("trial").get<std::int64_t>();
    if (number < 0 || static_cast<std::size_t>(number) >= history_.trials.size())
      fail(ErrorCode::NotFound, "there is no trial ", number);
    hpo::Trial& trial = history_.trials[static_cast<std::size_t>(number)];
    if (trial.state != hpo::TrialState::Running)
      fail(ErrorCode::FailedPrecondition, "the trial ", number, " is ", hpo::to_string(trial.state),
           ", not running");
    return trial;
  }

  std::vector<double> objectives_of(const Json& request) const {
    std::vector<double> objectives = read_numbers(request, "objectives");
    if (objectives.size() != history_.objectives.size())
      fail(ErrorCode::InvalidArgument, "expected ", history_.objectives.size(), " objectives, got ",
           objectives.size());
    return objectives;
  }

  Json report(const Json& request) {
    hpo::Trial& trial = running(request);
    hpo::Report report{request.at("resource").get<std::int64_t>(), objectives_of(request)};
    if (!trial.course.empty() && trial.course.back().resource >= report.resource)
      fail(ErrorCode::InvalidArgument, "the trial ", trial.number, " has reported the resource ",
           trial.course.back().resource, " before ", report.resource);
    trial.course.push_back(std::move(report));
    const bool stop = algorithm_.should_stop(history_, trial) ||
                      (early_stopping_ != nullptr && early_stopping_->should_stop(history_, trial));
    return {{"stop", stop}};
  }

  Json tell(const Json& request) {
    hpo::Trial& trial = running(request);
    const hpo::TrialState state =
        hpo::parse_trial_state(request.value("state", std::string("complete")));
    if (state == hpo::TrialState::Waiting || state == hpo::TrialState::Running)
      fail(ErrorCode::InvalidArgument, "a trial cannot be told to be ", hpo::to_string(state));
    std::vector<double> objectives;
    if (state == hpo::TrialState::Complete) objectives = objectives_of(request);
    trial.constraints = read_numbers(request, "constraints");
    trial.objectives = std::move(objectives);
    trial.state = state;
    return {{"trial", trial.number}};
  }

  const hpo::SearchSpace& space_;
  hpo::Algorithm& algorithm_;
  const hpo::Algorithm* early_stopping_;
  hpo::History history_;
};

// "paper-pfn", or a file with `parameters`, perhaps in a section `space`.
hpo::SearchSpace read_space(const std::string& name) {
  if (name.rfind("paper-", 0) == 0) return hpo::SearchSpace::preset(name);
  const Config config = Config::load(name);
  return hpo::SearchSpace::from_config(config, config.has("space.parameters") ? "space" : "");
}

hpo::Settings read_settings(const std::vector<std::string>& pairs) {
  hpo::Settings settings;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos)
      fail(ErrorCode::InvalidArgument, "--set needs name=value, not '", pair, "'");
    settings[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return settings;
}

struct Flags {
  std::string space;
  std::string algorithm = "tpe";
  std::uint64_t seed = 1;
  std::vector<std::string> settings;
  std::vector<std::string> objectives;
  std::string early_stopping;
};

// Without the flag there is one to minimise.
std::vector<hpo::Objective> read_objectives(const std::vector<std::string>& words) {
  std::vector<hpo::Objective> objectives;
  for (const std::string& word : words) {
    if (word != "minimise" && word != "maximise")
      fail(ErrorCode::InvalidArgument, "--objective must be minimise or maximise, not '", word,
           "'");
    objectives.push_back({"objective " + std::to_string(objectives.size()), word == "maximise"});
  }
  if (objectives.empty()) objectives.push_back({"objective 0", false});
  return objectives;
}

int run(const Flags& flags) {
  const hpo::SearchSpace space = read_space(flags.space);
  const std::vector<hpo::Objective> objectives = read_objectives(flags.objectives);
  const auto algorithm = hpo::make_algorithm(flags.algorithm, read_settings(flags.settings), space,
                                             objectives, flags.seed);
  std::unique_ptr<hpo::Algorithm> early_stopping;
  if (!flags.early_stopping.empty())
    early_stopping = hpo::make_early_stopping(flags.early_stopping, {}, objectives);
  serve_ask_tell(space, objectives, *algorithm, early_stopping.get(), std::cin, std::cout);
  return 0;
}

}  // namespace

void serve_ask_tell(const hpo::SearchSpace& space, const std::vector<hpo::Objective>& objectives,
                    hpo::Algorithm& algorithm, const hpo::Algorithm* early_stopping,
                    std::istream& in, std::ostream& out) {
  Conversation conversation(space, objectives, algorithm, early_stopping);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    Json reply;
    try {
      reply = conversation.answer(Json::parse(line));
    } catch (const nlohmann::json::exception& error) {
      reply = {{"error", std::string("the request cannot be read: ") + error.what()}};
    } catch (const Error& error) {
      reply = {{"error", error.what()}};
    }
    // An error may quote bytes of a request that are no UTF-8.
    const std::string line_out = reply.dump(-1, ' ', false, Json::error_handler_t::replace);
    out << line_out << std::endl;  // NOLINT(performance-avoid-endl): the other side waits
  }
}

std::function<int()> add_ask_tell(CLI::App& ask_tell, const CommonOptions& common) {
  auto flags = std::make_shared<Flags>();  // shared by the parser and the function that it sets up
  ask_tell
      .add_option("--space", flags->space,
                  "file of the search space, or paper-pfn, paper-particlenet")
      ->required();
  ask_tell.add_option("--algorithm", flags->algorithm, "how to search");
  ask_tell.add_option("--seed", flags->seed, "of all random choices");
  ask_tell.add_option("--set", flags->settings, "a setting of the algorithm: name=value");
  ask_tell.add_option("--objective", flags->objectives,
                      "minimise or maximise; twice for two objectives");
  ask_tell.add_option("--early-stopping", flags->early_stopping, "median");
  return [flags, &common] {
    load_config(common).reject_unknown();  // ask-tell has no fields
    return run(*flags);
  };
}

}  // namespace jetcal::cli
