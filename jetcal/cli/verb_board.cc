// SPDX-License-Identifier: Apache-2.0
// jetcal board: one local web page about runs, studies, models and servers.
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "jetcal/base/stop.h"
#include "jetcal/board/board_service.h"
#include "jetcal/cli/verb.h"

namespace jetcal::cli {
namespace {

constexpr int kDefaultPort = 8642;
constexpr std::chrono::milliseconds kSignalPoll{20};
constexpr std::chrono::milliseconds kDrainTimeout{1000};

struct BoardFlags {
  std::vector<std::string> folders, pipelines, studies, trainings, models, reports, serving, names;
  std::string host = "127.0.0.1";
  int port = kDefaultPort;
  bool allow_cancel = false;
};

void add_flags(CLI::App& app, BoardFlags& flags) {
  app.add_option("folders", flags.folders, "folders to look through for everything [.]");
  app.add_option("--pipeline", flags.pipelines, "folder of runs of jetcal pipeline; repeatable");
  app.add_option("--study", flags.studies, "study file of jetcal tune, or a folder of them");
  app.add_option("--training", flags.trainings, "output of jetcal train, or a folder of them");
  app.add_option("--model", flags.models, "model file or repository, or a folder of them");
  app.add_option("--report", flags.reports, "report of jetcal analyze, or a folder of them");
  app.add_option("--serving", flags.serving, "server to ask, http://HOST:PORT; repeatable");
  app.add_option("--host", flags.host, "address to listen on [127.0.0.1]");
  app.add_option("--port", flags.port, "port [8642]; 0 picks a free one");
  app.add_option("--name", flags.names, "name by which browsers reach this machine");
  app.add_flag("--allow-cancel", flags.allow_cancel, "let the page cancel runs");
}

void fill(const CLI::App& app, const CommonOptions& common, BoardFlags& flags) {
  const Config config = load_config(common);
  fill_from_config(app, config, "pipeline", flags.pipelines);
  fill_from_config(app, config, "study", flags.studies);
  fill_from_config(app, config, "training", flags.trainings);
  fill_from_config(app, config, "model", flags.models);
  fill_from_config(app, config, "report", flags.reports);
  fill_from_config(app, config, "serving", flags.serving);
  fill_from_config(app, config, "host", flags.host);
  fill_from_config(app, config, "port", flags.port);
  fill_from_config(app, config, "name", flags.names);
  fill_from_config(app, config, "allow-cancel", flags.allow_cancel);
  const auto folders = config.get("folders", flags.folders);
  if (flags.folders.empty()) flags.folders = folders;
  config.reject_unknown();
}

board::BoardOptions options_of(const BoardFlags& flags) {
  using board::Kind;
  board::BoardOptions options;
  for (const std::string& folder : flags.folders) options.places.push_back({folder});
  const auto add = [&options](const std::vector<std::string>& paths, Kind kind) {
    for (const std::string& path : paths) options.places.push_back({path, false, kind});
  };
  add(flags.pipelines, Kind::Pipeline);
  add(flags.studies, Kind::Study);
  add(flags.trainings, Kind::Training);
  add(flags.models, Kind::Model);
  add(flags.reports, Kind::Report);
  for (const std::string& url : flags.serving)
    options.endpoints.push_back(board::parse_endpoint(url));
  if (options.places.empty()) options.places.push_back({"."});
  options.names = flags.names;
  if (flags.host != "0.0.0.0") options.names.push_back(flags.host);
  options.may_cancel = flags.allow_cancel;
  return options;
}

int show_board(const BoardFlags& flags, bool json) {
  board::Board board(options_of(flags));
  board::BoardService service(board);
  server::HttpOptions http;
  http.host = flags.host;
  http.port = flags.port;
  http.drain_timeout = kDrainTimeout;
  server::validate(http);
  server::HttpServer server(http, service);
  server.start();
  const std::string address = "http://" +
                              (flags.host == "0.0.0.0" ? std::string("127.0.0.1") : flags.host) +
                              ":" + std::to_string(server.port()) + "/";
  if (json)
    print_json({{"url", address},
                {"host", flags.host},
                {"port", server.port()},
                {"allow_cancel", flags.allow_cancel}});
  std::fflush(stdout);
  std::fprintf(stderr, "jetcal board: open %s (Ctrl-C ends it)\n", address.c_str());
  while (!stop_requested()) std::this_thread::sleep_for(kSignalPoll);
  // What takes seconds, such as the importance of thousands of trials, is not waited for.
  if (server.stop() > 0) std::_Exit(0);
  return 0;
}

}  // namespace

Verb make_board_verb() {
  return {"board", "Shows runs, studies, models and servers in a browser.",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            auto flags = std::make_shared<BoardFlags>();  // shared: std::function copies it
            add_flags(app, *flags);
            return [&app, &common, flags] {
              fill(app, common, *flags);
              return show_board(*flags, common.json);
            };
          }};
}

}  // namespace jetcal::cli
