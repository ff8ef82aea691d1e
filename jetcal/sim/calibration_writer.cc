// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/calibration_writer.h"

#include <TTree.h>

#include <string>

#include "jetcal/sim/root_output.h"

namespace jetcal::sim {

struct CalibrationWriter::Impl {
  Impl(const std::filesystem::path& path, int compression) : output(path, compression) {
    constexpr std::int64_t kRowsPerCluster = 50000;
    jets = output.add_tree("calibration", "jets", kRowsPerCluster);
    events = output.add_tree("calibration", "events", kRowsPerCluster);
#define JETCAL_BRANCH(type, name) \
  jets->Branch(#name, &jet.name, (std::string(#name) + leaf_letter<type>()).c_str());
    JETCAL_CALIBRATION_JET(JETCAL_BRANCH)
#undef JETCAL_BRANCH
#define JETCAL_BRANCH(type, name) \
  events->Branch(#name, &event.name, (std::string(#name) + leaf_letter<type>()).c_str());
    JETCAL_CALIBRATION_EVENT(JETCAL_BRANCH)
#undef JETCAL_BRANCH
  }

  RootOutput output;
  TTree* jets;
  TTree* events;
  CalibrationJet jet;
  CalibrationEvent event;
};

CalibrationWriter::CalibrationWriter(const std::filesystem::path& path, int compression)
    : impl_(std::make_unique<Impl>(path, compression)) {}

CalibrationWriter::~CalibrationWriter() = default;

void CalibrationWriter::write(const CalibrationJet& row) {
  impl_->jet = row;
  impl_->output.check(impl_->jets->Fill() >= 0);
}

void CalibrationWriter::write(const CalibrationEvent& row) {
  impl_->event = row;
  impl_->output.check(impl_->events->Fill() >= 0);
}

void CalibrationWriter::close() { impl_->output.close(); }

}  // namespace jetcal::sim
