// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/board.h"

#include <algorithm>

#include "jetcal/base/error.h"

namespace jetcal::board {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

Board::Board(BoardOptions options) : options_(std::move(options)), serving_(options_.endpoints) {
  check_places(options_.places);
  scan_ = std::make_shared<const Scan>(look_through(options_.places));
  scanner_ = std::thread([this] { keep_scanning(); });
}

Board::~Board() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  scanner_.join();
}

// A look through many folders is given pauses in which it costs nothing.
void Board::keep_scanning() {
  constexpr int kRest = 20;
  std::chrono::milliseconds pause = options_.scan_interval;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (stopped_.wait_for(lock, pause, [this] { return stopping_; })) return;
    }
    const Clock::time_point begin = Clock::now();
    auto fresh = std::make_shared<const Scan>(look_through(options_.places));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    pause = std::max(options_.scan_interval, took * kRest);
    const std::lock_guard lock(mutex_);
    scan_ = std::move(fresh);
  }
}

std::shared_ptr<const Scan> Board::scan() const {
  const std::lock_guard lock(mutex_);
  return scan_;
}

Found Board::find(Kind kind, const std::string& id) const {
  const auto known = scan();
  const Found* found = known->find(kind, id);
  if (found == nullptr)
    fail(ErrorCode::NotFound, "the board knows no ", kind_name(kind), " '", id, "'");
  return *found;
}

Json Board::shown_artifact(const fs::path& root, const std::string& sha256) const {
  const std::string folder = (root / "artifacts" / sha256).string() + "/";
  const auto known = scan();
  for (const Found& one : known->found) {
    if (one.kind != Kind::Pipeline && one.path.string().starts_with(folder))
      return {{"kind", kind_name(one.kind)}, {"id", one.id}};
  }
  return nullptr;
}

}  // namespace jetcal::board
