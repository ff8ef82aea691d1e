// SPDX-License-Identifier: Apache-2.0
// What the early stopping service needs of the cluster around it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace jetcal::suggest {

/// Asks a database manager (gRPC without TLS) at host:port for the finite values of one metric of a
/// trial. Throws InvalidArgument for a wrong address, Unavailable when nobody answers or the answer
/// is an error.
std::vector<double> fetch_metric_values(const std::string& address, const std::string& trial,
                                        const std::string& metric);

/// Where the API server is and who we are. In a pod, Kubernetes tells it by its environment and a
/// folder of files.
struct ClusterAccount {
  std::string url;  ///< Of the API server, without a slash at the end.
  std::string name_space;
  std::string token;
  std::filesystem::path authority;  ///< Certificate that signs the server's; may be empty.

  /// From KUBERNETES_SERVICE_HOST and _PORT, and `folder` (token, namespace, ca.crt). Throws
  /// FailedPrecondition outside a pod.
  static ClusterAccount of_pod(
      const std::filesystem::path& folder = "/var/run/secrets/kubernetes.io/serviceaccount");
};

/// Adds the condition EarlyStopped to a trial of Katib. Throws NotFound for a trial that is not
/// there, Unavailable when the API server does not answer or refuses.
void mark_trial_stopped(const ClusterAccount& account, const std::string& trial);

}  // namespace jetcal::suggest
