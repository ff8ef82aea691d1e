// SPDX-License-Identifier: Apache-2.0
// Pipeline files, ours and kfp's, and what becomes of them: graphs, and resources of a cluster.
#include "jetcal/pipeline/lint.h"
#include "jetcal/pipeline/pipeline_file.h"
#include "jetcal/pipeline/render.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace pipeline = jetcal::pipeline;
  const std::string text(reinterpret_cast<const char*>(data), size);
  jetcal::fuzz::expect_errors_only([&] {
    for (const pipeline::Node& node : pipeline::parse_documents(text, "p.yaml"))
      pipeline::lint_resource(to_json(node));
    return 0;
  });
  jetcal::fuzz::expect_errors_only([&] {
    const pipeline::Pipeline graph = pipeline::parse_pipeline(text, "p.yaml", "/");
    jetcal::fuzz::expect_errors_only([&] { return pipeline::render_argo(graph, {}).dump(); });
    jetcal::fuzz::expect_errors_only([&] {
      std::string written;
      for (const pipeline::Json& document : pipeline::render_kfp(graph, {}))
        written += document.dump();
      return written;
    });
    return 0;
  });
  return 0;
}
