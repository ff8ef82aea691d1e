// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/pileup_pool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::sim {

namespace {

constexpr char kMagic[8] = {'J', 'C', 'P', 'O', 'O', 'L', '0', '1'};

struct PoolHeader {
  char magic[8];
  std::uint64_t fingerprint;
  std::int64_t num_events, num_particles;
};

}  // namespace

PileupPool PileupPool::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(ErrorCode::NotFound, "no such pileup pool: ", path.string());
  struct stat status {};
  PileupPool pool;
  if (::fstat(file, &status) == 0 && status.st_size >= static_cast<off_t>(sizeof(PoolHeader))) {
    pool.size_ = static_cast<std::size_t>(status.st_size);
    pool.data_ = ::mmap(nullptr, pool.size_, PROT_READ, MAP_SHARED, file, 0);
    if (pool.data_ == MAP_FAILED) pool.data_ = nullptr;
  }
  ::close(file);
  if (pool.data_ == nullptr) fail(ErrorCode::DataLoss, "cannot map the pool ", path.string());
  PoolHeader header{};
  std::memcpy(&header, pool.data_, sizeof(header));
  const auto is_within = [&pool](std::int64_t count) {
    return count >= 0 && static_cast<std::size_t>(count) < pool.size_;
  };
  const auto wanted_size = [&header] {
    return sizeof(header) + static_cast<std::size_t>(header.num_events + 1) * sizeof(std::int64_t) +
           static_cast<std::size_t>(header.num_particles) * sizeof(Particle);
  };
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || !is_within(header.num_events) ||
      !is_within(header.num_particles) || wanted_size() != pool.size_)
    fail(ErrorCode::DataLoss, "not a complete pileup pool: ", path.string());
  const char* bytes = static_cast<const char*>(pool.data_) + sizeof(header);
  pool.num_events_ = header.num_events;
  pool.fingerprint_ = header.fingerprint;
  pool.offsets_ = reinterpret_cast<const std::int64_t*>(bytes);
  pool.particles_ = reinterpret_cast<const Particle*>(
      bytes + static_cast<std::size_t>(header.num_events + 1) * sizeof(std::int64_t));
  const std::span offsets(pool.offsets_, static_cast<std::size_t>(header.num_events) + 1);
  if (offsets.front() != 0 || offsets.back() != header.num_particles ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    fail(ErrorCode::DataLoss, "the events of a pileup pool are damaged: ", path.string());
  return pool;
}

PileupPool::~PileupPool() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

PileupPool::PileupPool(PileupPool&& other) noexcept { *this = std::move(other); }

PileupPool& PileupPool::operator=(PileupPool&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(num_events_, other.num_events_);
  std::swap(fingerprint_, other.fingerprint_);
  std::swap(offsets_, other.offsets_);
  std::swap(particles_, other.particles_);
  return *this;
}

std::span<const Particle> PileupPool::event(std::int64_t index) const noexcept {
  return {particles_ + offsets_[index], particles_ + offsets_[index + 1]};
}

void write_pool(const std::filesystem::path& path, std::uint64_t fingerprint,
                const std::vector<std::int64_t>& offsets, const std::vector<Particle>& particles) {
  PoolHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.fingerprint = fingerprint;
  header.num_events = static_cast<std::int64_t>(offsets.size()) - 1;
  header.num_particles = static_cast<std::int64_t>(particles.size());
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes.append(reinterpret_cast<const char*>(offsets.data()),
               offsets.size() * sizeof(std::int64_t));
  bytes.append(reinterpret_cast<const char*>(particles.data()),
               particles.size() * sizeof(Particle));
  write_file(path, bytes);
}

void overlay(std::span<const Particle> hard, const PileupPool& pool, const PileupOptions& options,
             Rng& rng, Crossing& crossing) {
  crossing.particles.assign(hard.begin(), hard.end());
  crossing.vertex.assign(hard.size(), 0);
  crossing.vertex_z.assign(1, options.vertex_sigma_z * rng.normal());
  crossing.mean_pileup = 0;
  crossing.num_pileup = 0;
  if (options.mean <= 0 || pool.num_events() == 0) return;
  const double drawn = options.mean * (1 + options.relative_width * rng.normal());
  crossing.mean_pileup = std::clamp(drawn, std::min(1.0, options.mean), options.maximum);
  crossing.num_pileup = static_cast<int>(rng.poisson(crossing.mean_pileup));
  for (int i = 0; i < crossing.num_pileup; ++i) {
    const auto index = rng.below(static_cast<std::uint64_t>(pool.num_events()));
    const double turn = 2 * M_PI * rng.uniform();
    const float mirror = rng.uniform() < 0.5 ? -1.0F : 1.0F;
    crossing.vertex_z.push_back(options.vertex_sigma_z * rng.normal());
    for (Particle p : pool.event(static_cast<std::int64_t>(index))) {
      p.eta *= mirror;
      p.phi = static_cast<float>(wrap_phi(static_cast<double>(p.phi) + turn));
      crossing.particles.push_back(p);
      crossing.vertex.push_back(i + 1);
    }
  }
}

}  // namespace jetcal::sim
