// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/detail/experiment_reader.h"

#include <algorithm>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/number.h"

namespace jetcal::suggest::detail {

namespace katib = api::v1::beta1;

namespace {

using hpo::Parameter;

// The names under which Katib's own services know what ours do.
const std::map<std::string, std::string>& known_algorithms() {
  static const std::map<std::string, std::string> kNames{{"bayesianoptimization", "gp"},
                                                         {"multivariate-tpe", "tpe"}};
  return kNames;
}

const std::map<std::string, std::string>& known_settings() {
  static const std::map<std::string, std::string> kNames{{"n_initial_points", "start_trials"},
                                                         {"n_startup_trials", "start_trials"},
                                                         {"n_EI_candidates", "candidates"},
                                                         {"n_ei_candidates", "candidates"},
                                                         {"r_l", "max_resource"}};
  return kNames;
}

std::int64_t read_integer(const std::string& text, const std::string& what) {
  const double number = read_number(text, what);
  if (std::floor(number) != number || std::abs(number) > 9e15)
    fail(ErrorCode::InvalidArgument, what, " must be an integer, got '", text, "'");
  return static_cast<std::int64_t>(number);
}

Parameter read_range(const katib::ParameterSpec& spec, const std::string& where) {
  const katib::FeasibleSpace& range = spec.feasible_space();
  Parameter parameter;
  parameter.name = spec.name();
  const bool integer = spec.parameter_type() == katib::INT;
  parameter.kind = integer ? Parameter::Kind::Integer : Parameter::Kind::Float;
  const auto number = [&](const std::string& text, const char* field) {
    const std::string what = where + ": feasibleSpace." + field;
    if (text.empty()) fail(ErrorCode::InvalidArgument, what, " is missing");
    return integer ? static_cast<double>(read_integer(text, what)) : read_number(text, what);
  };
  if (range.list_size() > 0)
    fail(ErrorCode::InvalidArgument, where, ": feasibleSpace.list is not for int and double");
  parameter.low = number(range.min(), "min");
  parameter.high = number(range.max(), "max");
  if (!range.step().empty()) {
    parameter.step = number(range.step(), "step");
    if (parameter.step <= 0)
      fail(ErrorCode::InvalidArgument, where, ": feasibleSpace.step must be above 0");
  }
  parameter.log =
      range.distribution() == katib::LOG_UNIFORM || range.distribution() == katib::LOG_NORMAL;
  if (parameter.log && parameter.low <= 0) {
    fail(ErrorCode::InvalidArgument, where, ": a logarithmic distribution needs feasibleSpace.min",
         " above 0, got ", range.min());
  }
  // A range of the logarithm has no equal steps.
  if (parameter.log) parameter.step = 0;
  return parameter;
}

Parameter read_list(const katib::ParameterSpec& spec, const std::string& where,
                    std::vector<std::string>& texts) {
  const katib::FeasibleSpace& list = spec.feasible_space();
  if (!list.min().empty() || !list.max().empty() || !list.step().empty()) {
    fail(ErrorCode::InvalidArgument, where,
         ": feasibleSpace.min, max and step are not for discrete and categorical");
  }
  if (list.list_size() == 0)
    fail(ErrorCode::InvalidArgument, where, ": feasibleSpace.list is missing");
  Parameter parameter;
  parameter.name = spec.name();
  texts.assign(list.list().begin(), list.list().end());
  const bool discrete = spec.parameter_type() == katib::DISCRETE;
  parameter.kind = discrete ? Parameter::Kind::Discrete : Parameter::Kind::Categorical;
  if (discrete) {
    std::stable_sort(texts.begin(), texts.end(), [&](const auto& a, const auto& b) {
      const std::string what = where + ": feasibleSpace.list";
      return read_number(a, what) < read_number(b, what);
    });
  }
  for (const std::string& text : texts) {
    if (discrete) {
      parameter.choices.emplace_back(read_number(text, where + ": feasibleSpace.list"));
    } else {
      parameter.choices.emplace_back(text);
    }
  }
  return parameter;
}

// Takes resource_name, the seed and Katib's own names out of the settings.
void read_settings(const katib::AlgorithmSpec& algorithm, Search& search) {
  const std::vector<hpo::SettingInfo> infos = hpo::algorithm_settings(search.algorithm);
  const auto has = [&](const std::string& name) {
    return std::any_of(infos.begin(), infos.end(), [&](const auto& i) { return i.name == name; });
  };
  for (const katib::AlgorithmSetting& setting : algorithm.algorithm_settings()) {
    std::string name = setting.name();
    if (name == "random_state" || name == "seed") {
      const std::int64_t seed = read_integer(setting.value(), "the setting " + name);
      if (seed < 0) fail(ErrorCode::InvalidArgument, "the setting ", name, " must not be negative");
      search.seed = static_cast<std::uint64_t>(seed);
      continue;
    }
    if (name == "resource_name" && has("max_resource")) {
      search.resource = setting.value();
      continue;
    }
    const auto alias = known_settings().find(name);
    if (!has(name) && alias != known_settings().end() && has(alias->second)) name = alias->second;
    if (!search.settings.emplace(name, setting.value()).second)
      fail(ErrorCode::InvalidArgument, "the setting ", setting.name(), " is given twice");
  }
  if (has("max_resource") && search.resource.empty()) {
    fail(ErrorCode::InvalidArgument, "the algorithm ", search.algorithm,
         " needs the setting resource_name: the int parameter that says how far a trial trains");
  }
}

std::string resolve_algorithm(std::string name) {
  if (name.empty()) fail(ErrorCode::InvalidArgument, "algorithm.algorithmName is missing");
  if (name.starts_with("jetcal-")) name.erase(0, 7);
  const auto known = known_algorithms().find(name);
  if (known != known_algorithms().end()) name = known->second;
  const std::vector<std::string> names = hpo::algorithm_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  std::string all;
  for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
  fail(ErrorCode::InvalidArgument, "there is no algorithm '", name, "'; there are ", all);
}

void read_objective(const katib::ObjectiveSpec& objective, Search& search) {
  if (objective.objective_metric_name().empty())
    fail(ErrorCode::InvalidArgument, "objective.objectiveMetricName is missing");
  if (objective.type() != katib::MINIMIZE && objective.type() != katib::MAXIMIZE)
    fail(ErrorCode::InvalidArgument, "objective.type must be minimize or maximize");
  search.objectives = {{objective.objective_metric_name(), objective.type() == katib::MAXIMIZE}};
}

// Fills the space, the order and the choices; the resource gives the range of the budgets instead.
void read_parameters(const katib::ExperimentSpec& spec, Search& search) {
  std::vector<Parameter> parameters;
  bool found_resource = false;
  for (const katib::ParameterSpec& item : spec.parameter_specs().parameters()) {
    const std::string where = "parameter '" + item.name() + "'";
    search.order.push_back(item.name());
    switch (item.parameter_type()) {
      case katib::DOUBLE:
      case katib::INT:
        parameters.push_back(read_range(item, where));
        break;
      case katib::DISCRETE:
      case katib::CATEGORICAL:
        parameters.push_back(read_list(item, where, search.choices[item.name()]));
        break;
      default:
        fail(ErrorCode::InvalidArgument, where,
             ": parameterType must be double, int, discrete or categorical");
    }
    if (search.resource.empty() || item.name() != search.resource) continue;
    if (item.parameter_type() != katib::INT)
      fail(ErrorCode::InvalidArgument, where, " is the resource and so must be an int");
    found_resource = true;
    const Parameter& range = parameters.back();
    search.settings.emplace("min_resource", std::to_string(std::llround(std::max(range.low, 1.0))));
    search.settings.emplace("max_resource", std::to_string(std::llround(range.high)));
    parameters.pop_back();
  }
  if (!search.resource.empty() && !found_resource) {
    fail(ErrorCode::InvalidArgument, "the setting resource_name names no parameter: '",
         search.resource, "'");
  }
  if (parameters.empty()) fail(ErrorCode::InvalidArgument, "the experiment has no parameters");
  search.space.emplace(std::move(parameters));
}

// The trial's values; nothing when one is missing or none of this space's.
std::optional<hpo::Assignment> read_values(const katib::Trial& trial, const Search& search,
                                           std::int64_t& resource) {
  hpo::Assignment values;
  try {
    for (const katib::ParameterAssignment& item :
         trial.spec().parameter_assignments().assignments()) {
      if (item.name() == search.resource) {
        resource = read_integer(item.value(), item.name());
      } else if (const Parameter* parameter = search.space->find(item.name())) {
        values[item.name()] = hpo::parse_value(*parameter, item.value());
      }
    }
    search.space->check(values);
  } catch (const Error&) {
    return std::nullopt;
  }
  return values;
}

// One of Katib's trials: all of ours, or one rung of it.
struct Rung {
  std::int64_t number = -1;  // by its label
  std::int64_t bracket = 0;
  std::int64_t resource = 0;
  const katib::Trial* trial = nullptr;
  hpo::Assignment values;
};

std::int64_t label_of(const katib::Trial& trial, const char* name, std::int64_t fallback) {
  const auto found = trial.spec().labels().find(name);
  if (found == trial.spec().labels().end()) return fallback;
  const std::int64_t value = parse_number<std::int64_t>(found->second).value_or(fallback);
  return value >= 0 ? value : fallback;
}

hpo::TrialState state_of(katib::TrialStatus::TrialConditionType condition) {
  switch (condition) {
    case katib::TrialStatus::SUCCEEDED:
      return hpo::TrialState::Complete;
    case katib::TrialStatus::EARLYSTOPPED:
      return hpo::TrialState::Stopped;
    case katib::TrialStatus::KILLED:
    case katib::TrialStatus::FAILED:
    case katib::TrialStatus::METRICSUNAVAILABLE:
      return hpo::TrialState::Failed;
    default:
      return hpo::TrialState::Running;  // CREATED, RUNNING, UNKNOWN
  }
}

// Unlabelled ones first, by start; then by number and resource.
std::vector<Rung> sorted_rungs(const google::protobuf::RepeatedPtrField<katib::Trial>& trials,
                               const Search& search, std::int64_t& skipped) {
  std::vector<Rung> rungs;
  for (const katib::Trial& trial : trials) {
    Rung rung;
    auto values = read_values(trial, search, rung.resource);
    if (!values) {
      ++skipped;
      continue;
    }
    rung.trial = &trial;
    rung.values = std::move(*values);
    if (!search.resource.empty()) {
      rung.number = label_of(trial, kTrialLabel, -1);
      rung.bracket = label_of(trial, kBracketLabel, 0);
    }
    rungs.push_back(std::move(rung));
  }
  std::sort(rungs.begin(), rungs.end(), [](const Rung& a, const Rung& b) {
    if (a.number != b.number) return a.number < b.number;
    if (a.resource != b.resource && a.number >= 0) return a.resource < b.resource;
    // Those that have not started have no time and come last.
    const std::string& start_a = a.trial->status().start_time();
    const std::string& start_b = b.trial->status().start_time();
    if (start_a.empty() != start_b.empty()) return start_b.empty();
    if (start_a != start_b) return start_a < start_b;
    return a.trial->name() < b.trial->name();
  });
  return rungs;
}

// Adds what one of Katib's trials tells to a trial of ours; rungs come in ascending resource.
void add_rung(const Rung& rung, const Search& search, std::int64_t highest, hpo::Trial& trial,
              std::string& last_name) {
  const auto value = objective_of(*rung.trial, search.objectives[0].metric);
  trial.state = state_of(rung.trial->status().condition());
  trial.bracket = rung.bracket;
  trial.budget = rung.resource;
  const bool ended =
      trial.state == hpo::TrialState::Complete || trial.state == hpo::TrialState::Stopped;
  if (ended && !value) trial.state = hpo::TrialState::Failed;
  if (!ended || !value) return;
  last_name = rung.trial->name();
  trial.course.push_back({std::max<std::int64_t>(rung.resource, 1), {*value}});
  if (trial.state == hpo::TrialState::Stopped) return;
  if (!search.resource.empty() && rung.resource < highest) {
    trial.state = hpo::TrialState::Paused;
  } else {
    trial.objectives = {*value};
  }
}

}  // namespace

double read_number(const std::string& text, const std::string& what) {
  const std::optional<double> value = parse_signed_number<double>(text);
  if (!value || !std::isfinite(*value))
    fail(ErrorCode::InvalidArgument, what, " must be a number, got '", text, "'");
  return *value;
}

std::unique_ptr<hpo::Algorithm> Search::make() const {
  return hpo::make_algorithm(algorithm, settings, space.value(), objectives, seed);
}

Search read_search(const katib::Experiment& experiment) {
  const katib::ExperimentSpec& spec = experiment.spec();
  if (spec.has_nas_config())
    fail(ErrorCode::InvalidArgument, "searches for architectures (nasConfig) are not served");
  Search search;
  search.algorithm = resolve_algorithm(spec.algorithm().algorithm_name());
  search.seed = hash_bytes(experiment.name());
  search.max_trials = spec.max_trial_count();
  read_objective(spec.objective(), search);
  read_settings(spec.algorithm(), search);
  read_parameters(spec, search);
  return search;
}

std::optional<double> objective_of(const katib::Trial& trial, const std::string& metric) {
  for (const katib::Metric& item : trial.status().observation().metrics()) {
    if (item.name() != metric) continue;
    const std::optional<double> value = parse_signed_number<double>(item.value());
    if (value && std::isfinite(*value)) return value;
  }
  return std::nullopt;
}

KnownTrials read_trials(const google::protobuf::RepeatedPtrField<katib::Trial>& trials,
                        const Search& search, std::int64_t index) {
  KnownTrials known;
  known.history.objectives = search.objectives;
  const std::vector<Rung> rungs = sorted_rungs(trials, search, known.skipped);
  const std::int64_t highest =
      search.resource.empty() ? 0
                              : read_integer(search.settings.at("max_resource"), "max_resource");
  std::int64_t last_label = -1;
  auto& list = known.history.trials;
  for (const Rung& rung : rungs) {
    const bool same = rung.number >= 0 && rung.number == last_label;
    last_label = rung.number;
    if (!same) {
      hpo::Trial trial;
      const std::int64_t next = list.empty() ? 0 : list.back().number + 1;
      trial.number = rung.number >= 0 ? rung.number : next;
      trial.values = rung.values;
      list.push_back(std::move(trial));
    }
    add_rung(rung, search, highest, list.back(), known.last_names[list.back().number]);
  }
  // Suggestions that Katib has not made trials of yet are not among these. The next number is
  // counted from them all, so that it does not repeat one of theirs.
  if (!list.empty() && search.resource.empty())
    list.back().number = std::max(list.back().number, index - 1);
  return known;
}

void write_assignments(
    const Search& search, const hpo::Assignment& values, std::int64_t budget,
    google::protobuf::RepeatedPtrField<katib::ParameterAssignment>& assignments) {
  for (const std::string& name : search.order) {
    katib::ParameterAssignment& item = *assignments.Add();
    item.set_name(name);
    if (name == search.resource) {
      item.set_value(std::to_string(budget));
      continue;
    }
    const hpo::Value& value = values.at(name);
    std::string text = hpo::to_string(value);
    const auto choices = search.choices.find(name);
    if (choices != search.choices.end()) {
      const std::vector<hpo::Value>& all = search.space->find(name)->choices;
      const auto place = std::find(all.begin(), all.end(), value);
      if (place != all.end()) text = choices->second[static_cast<std::size_t>(place - all.begin())];
    }
    item.set_value(text);
  }
}

}  // namespace jetcal::suggest::detail
