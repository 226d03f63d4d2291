#include "headrace/protocols/tfserving/config_files.h"

#include <gmock/gmock.h>

#include "headrace/base/files.h"

namespace headrace::tfserving {
namespace {

using testing::HasSubstr;

TEST(ConfigFiles, ReadsModels) {
  const auto config = ParseModelConfig(R"(
    # as TensorFlow Serving's documentation writes it
    model_config_list {
      config {
        name: 'flights'
        base_path: '/models/flights'
        model_platform: 'tensorflow'
        model_version_policy { specific { versions: 42 versions: 43 } }
        version_labels { key: 'stable' value: 42 }
        version_labels { key: 'canary' value: 43 }
      }
      config { name: 'b' base_path: '/models/b' model_version_policy { latest { num_versions: 2 } } }
      config { name: 'c' base_path: '/models/c' model_version_policy { all {} } }
    })");
  ASSERT_TRUE(config.has_value()) << config.error().ToString();
  ASSERT_EQ(config->models.size(), 3u);
  const auto& flights = config->models[0];
  EXPECT_EQ(flights.name, "flights");
  EXPECT_EQ(flights.base_path, "/models/flights");
  EXPECT_EQ(flights.platform, "tensorflow");
  EXPECT_EQ(flights.versions.versions, (std::vector<int64_t>{42, 43}));
  EXPECT_EQ(flights.labels.at("canary"), 43);
  EXPECT_EQ(config->models[1].versions.latest, 2u);
  EXPECT_EQ(config->models[2].versions.kind, serving::VersionPolicy::Kind::kAll);
}

TEST(ConfigFiles, ReadsTraffic) {
  const std::string head =
      "model_config_list { config { name: 'm' base_path: '/m' model_version_policy { all {} } "
      "version_labels { key: 'stable' value: 1 } traffic { ";
  const auto config = ParseModelConfig(head + R"(
      weights { label: 'stable' weight: 90 } weights { version: 2 weight: 10 }
      sticky_header: 'X-User' shadows { version: 3 } shadow_fraction: 0 } } })");
  ASSERT_TRUE(config.has_value()) << config.error().ToString();
  const serving::TrafficPolicy& traffic = config->models[0].traffic;
  const serving::TrafficPolicy expected{.weights = {{{0, "stable"}, 90}, {{2, ""}, 10}},
                                        .sticky_header = "x-user",
                                        .sticky_input = "",
                                        .shadows = {{3, ""}},
                                        .shadow_fraction = 0};
  EXPECT_EQ(traffic, expected);
  EXPECT_EQ(ParseModelConfig(head + "shadows { version: 3 } } } }")->models[0].traffic.shadow_fraction, 1);

  const auto error = [&](const std::string& policy) {
    return ParseModelConfig(head + policy + "} } }").error().message();
  };
  EXPECT_THAT(error("weights { weight: 1 }"), HasSubstr("traffic.weights[0]: expected a version or a label"));
  EXPECT_THAT(error("weights { label: 'canary' weight: 1 }"), HasSubstr("label \"canary\" is not among"));
  EXPECT_THAT(error("weights { version: 1 weight: -1 }"), HasSubstr("weight -1 is not a number"));
  EXPECT_THAT(error("shadow_fraction: 2"), HasSubstr("traffic.shadow_fraction is 2"));
}

TEST(ConfigFiles, ErrorsSayWhere) {
  EXPECT_THAT(ParseModelConfig("model_config_list {\n  config { nme: 'x' }\n}").error().message(),
              AllOf(HasSubstr("line 2"), HasSubstr("nme")));
  EXPECT_THAT(ParseModelConfig("model_config_list { config { name: 'm' } }").error().message(),
              AllOf(HasSubstr("\"m\""), HasSubstr("base_path")));
  EXPECT_THAT(ParseModelConfig("").error().message(), HasSubstr("model_config_list is missing"));
}

TEST(ConfigFiles, ReadsWhatIsHeadracesOwnOfAModel) {
  serving::ModelConfig defaults;
  defaults.engine.intra_op_threads = 4;
  const auto config = ParseModelConfig(
      "model_config_list { config { name: 'a' base_path: '/a' intra_op_threads: 2 optimization_level: 1 "
      "batching_parameters { max_batch_size { value: 8 } signatures: 's' priorities { value: 3 } } } "
      "config { name: 'b' base_path: '/b' logging_config { sampling_config { sampling_rate: 0.5 attributes: 1 "
      "per_task_sampling_configs { dc: 'x' task_index: 0 sampling_rate: 1 } } "
      "custom_logging_config { type_url: 't' } } } }",
      defaults);
  ASSERT_TRUE(config.has_value()) << config.error().ToString();
  const auto& [a, b] = std::tie(config->models[0], config->models[1]);
  EXPECT_EQ(a.engine.intra_op_threads, 2);
  EXPECT_EQ(a.engine.optimization_level, 1);
  EXPECT_TRUE(a.batching.enabled);
  EXPECT_EQ(a.batching.max_batch_size, 8);
  EXPECT_EQ(a.batching.priorities, 3);
  EXPECT_THAT(a.batching.signatures, testing::ElementsAre("s"));
  EXPECT_EQ(b.engine.intra_op_threads, 4);
  EXPECT_FALSE(b.batching.enabled);
  EXPECT_EQ(b.log_fraction, 0.5);
}

TEST(ConfigFiles, LargeBatchSplittingExecutesAtMostItsExecutionSize) {
  const auto split = ParseBatchingParameters(
      "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 2 } allowed_batch_sizes: 2 "
      "max_batch_size { value: 4 } thread_pool_name { value: 'p' }");
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->max_batch_size, 2);
  EXPECT_EQ(
      ParseBatchingParameters("max_execution_batch_size { value: 2 } max_batch_size { value: 4 }")->max_batch_size, 4);
}

TEST(ConfigFiles, AVersionsOwnBatchingHasTheSharedThreads) {
  const TempDir version;
  serving::BatchingConfig shared;
  shared.threads = 5;
  const auto absent = ReadModelBatching(version.path(), shared);
  ASSERT_TRUE(absent.has_value());
  EXPECT_FALSE(absent->has_value());
  const auto path = version.path() / "batching_params.pbtxt";
  ASSERT_EQ(WriteFileAtomically(path, "max_batch_size { value: 3 } num_batch_threads { value: 9 }"), OkStatus());
  const auto own = ReadModelBatching(version.path(), shared);
  ASSERT_TRUE(own.has_value() && own->has_value());
  EXPECT_EQ((*own)->max_batch_size, 3);
  EXPECT_EQ((*own)->threads, 5);
  ASSERT_EQ(WriteFileAtomically(path, "max_batch { value: 3 }"), OkStatus());
  EXPECT_THAT(ReadModelBatching(version.path(), shared).error().message(),
              AllOf(HasSubstr("batching_params.pbtxt"), HasSubstr("max_batch")));
}

TEST(ConfigFiles, ReadsBatchingMonitoringAndSsl) {
  const auto batching = ParseBatchingParameters(
      "max_batch_size { value: 128 } batch_timeout_micros { value: 2000 } max_enqueued_batches { value: 7 } "
      "num_batch_threads { value: 3 } allowed_batch_sizes: 32 allowed_batch_sizes: 128 "
      "pad_variable_length_inputs: true");
  ASSERT_TRUE(batching.has_value());
  EXPECT_TRUE(batching->enabled);
  EXPECT_EQ(batching->max_batch_size, 128);
  EXPECT_EQ(batching->timeout, std::chrono::milliseconds(2));
  EXPECT_EQ(batching->max_enqueued_batches, 7);
  EXPECT_EQ(batching->threads, 3);
  EXPECT_EQ(batching->allowed_batch_sizes, (std::vector<int64_t>{32, 128}));
  EXPECT_TRUE(batching->pad_variable_length_inputs);

  const auto monitoring = ParseMonitoringConfig("prometheus_config { enable: true, path: '/metrics' }");
  ASSERT_TRUE(monitoring.has_value());
  EXPECT_TRUE(monitoring->prometheus);
  EXPECT_EQ(monitoring->path, "/metrics");

  const auto ssl = ParseSslConfig("server_key: 'k' server_cert: 'c' custom_ca: 'a' client_verify: true");
  ASSERT_TRUE(ssl.has_value());
  EXPECT_EQ(ssl->certificate_chain, "c");
  EXPECT_TRUE(ssl->require_client_certificate);
  EXPECT_EQ(ParseSslConfig("server_key: 'k'").error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace headrace::tfserving
