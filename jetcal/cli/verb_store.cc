// SPDX-License-Identifier: Apache-2.0
// jetcal store: copies files to and from folders and S3 stores, lists and removes them.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "jetcal/base/files.h"
#include "jetcal/cli/verb.h"
#include "jetcal/store/object_store.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Flags {
  std::string location, file;
  bool if_absent = false;
};

// The store that holds an object, and the object's name in it.
struct Place {
  std::unique_ptr<store::ObjectStore> store;
  std::string name;
};

Place place_of(const std::string& location) {
  const std::size_t slash = location.rfind('/');
  const bool named = slash != std::string::npos && slash + 1 < location.size();
  if (store::is_remote(location)) {
    if (!named || store::split_location(location).prefix.empty())
      fail(ErrorCode::InvalidArgument, "'", location, "' names no object: s3://bucket/name");
    return {store::open_object_store(location.substr(0, slash)), location.substr(slash + 1)};
  }
  const fs::path path = fs::absolute(location);
  return {store::open_object_store(path.parent_path().string()), path.filename().string()};
}

int list(const Flags& flags, bool json) {
  const auto store = store::open_object_store(flags.location);
  const std::vector<store::ObjectInfo> objects = store->list();
  if (!json) {
    for (const store::ObjectInfo& object : objects)
      std::printf("%14lld  %s\n", static_cast<long long>(object.bytes), object.name.c_str());
    return 0;
  }
  Json rows = Json::array();
  for (const store::ObjectInfo& object : objects)
    rows.push_back({{"name", object.name}, {"bytes", object.bytes}, {"version", object.version}});
  print_json({{"location", store->name_of("")}, {"objects", rows}});
  return 0;
}

// Says what was moved.
int report(const store::ObjectStore& store, int files, bool json) {
  const store::ObjectCounts counts = store.counts();
  const std::int64_t bytes = counts.bytes_read + counts.bytes_written;
  if (json) {
    print_json({{"files", files},
                {"bytes", bytes},
                {"requests", counts.requests},
                {"retries", counts.retries}});
  } else {
    std::printf("%d %s, %lld bytes\n", files, files == 1 ? "file" : "files",
                static_cast<long long>(bytes));
  }
  return 0;
}

int get(const Flags& flags, bool json) {
  if (flags.location.ends_with('/')) {
    const auto store = store::open_object_store(flags.location);
    const std::vector<store::ObjectInfo> objects = store->list();
    if (objects.empty()) fail(ErrorCode::NotFound, "there are no objects in ", store->name_of(""));
    for (const store::ObjectInfo& object : objects)
      store->get_to_file(object.name, fs::path(flags.file) / object.name);
    return report(*store, static_cast<int>(objects.size()), json);
  }
  const Place place = place_of(flags.location);
  place.store->get_to_file(place.name, flags.file);
  return report(*place.store, 1, json);
}

int put(const Flags& flags, bool json) {
  if (!fs::is_directory(flags.file)) {
    const Place place = place_of(flags.location);
    if (!flags.if_absent) {
      place.store->put_file(place.name, flags.file);
    } else if (!place.store->put_if_absent(place.name, read_file(flags.file))) {
      fail(ErrorCode::AlreadyExists, "there is an object ", place.store->name_of(place.name));
    }
    return report(*place.store, 1, json);
  }
  if (flags.if_absent)
    fail(ErrorCode::InvalidArgument, "--if-absent is for one file, not a folder");
  const auto store = store::open_object_store(flags.location);
  int files = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(flags.file)) {
    if (!entry.is_regular_file()) continue;
    store->put_file(entry.path().lexically_relative(flags.file).generic_string(), entry.path());
    ++files;
  }
  return report(*store, files, json);
}

int head(const Flags& flags, bool json) {
  const Place place = place_of(flags.location);
  const auto info = place.store->head(place.name);
  if (!info) fail(ErrorCode::NotFound, "there is no object ", place.store->name_of(place.name));
  if (json) {
    print_json({{"name", info->name}, {"bytes", info->bytes}, {"version", info->version}});
  } else {
    std::printf("%lld bytes, version %s\n", static_cast<long long>(info->bytes),
                info->version.c_str());
  }
  return 0;
}

int remove(const Flags& flags, bool json) {
  const Place place = place_of(flags.location);
  place.store->remove(place.name);
  if (json) print_json({{"removed", place.store->name_of(place.name)}});
  return 0;
}

std::function<int()> set_up(CLI::App& app, CommonOptions& common) {
  const auto flags = std::make_shared<Flags>();  // outlives this call, with the app
  app.require_subcommand(1);
  const auto sub = [&](const char* name, const char* text) {
    return app.add_subcommand(name, text)->fallthrough();
  };
  constexpr const char* kObject = "s3://bucket/name, or a path";
  CLI::App* const listing = sub("list", "list the objects of a place");
  listing->add_option("location", flags->location, "s3://bucket/prefix, or a folder")->required();
  CLI::App* const getting = sub("get", "copy an object into a file");
  getting->add_option("location", flags->location, "s3://bucket/name; with / at its end all below")
      ->required();
  getting->add_option("file", flags->file, "file, or folder for all below")->required();
  CLI::App* const putting = sub("put", "copy a file or a folder into a store");
  putting->add_option("file", flags->file, "file or folder")->required();
  putting->add_option("location", flags->location, kObject)->required();
  putting->add_flag("--if-absent", flags->if_absent, "fail where the object is there");
  CLI::App* const looking = sub("head", "say size and version of an object");
  looking->add_option("location", flags->location, kObject)->required();
  CLI::App* const removing = sub("remove", "remove an object");
  removing->add_option("location", flags->location, kObject)->required();
  return [=, &common]() -> int {
    load_config(common).reject_unknown();  // there are no fields
    if (listing->parsed()) return list(*flags, common.json);
    if (getting->parsed()) return get(*flags, common.json);
    if (putting->parsed()) return put(*flags, common.json);
    if (looking->parsed()) return head(*flags, common.json);
    return remove(*flags, common.json);
  };
}

}  // namespace

Verb make_store_verb() {
  return {"store", "Copies files to and from folders and S3 stores.", set_up};
}

}  // namespace jetcal::cli
