// Uploaded pipelines and their versions. A version's specification is kept as text; what it means is the pipeline
// room's affair.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/core/database.h"
#include "headrace/core/listing.h"

namespace headrace::metadata {

struct StoredPipeline {
  std::string id;    // a UUID; given by Create
  std::string name;  // unique within its namespace
  std::string display_name;
  std::string description;
  std::string name_space;
  json::object tags;  // strings
  TimePoint created;
};

struct StoredPipelineVersion {
  std::string id;  // a UUID; given by Create
  std::string pipeline_id;
  std::string name;  // unique within its pipeline
  std::string display_name;
  std::string description;
  std::string code_source_url;
  json::object tags;
  json::value spec;
  TimePoint created;
};

struct ListedPipelines {
  std::vector<StoredPipeline> pipelines;
  int64_t total = 0;
  std::string next_page_token;
};

struct ListedPipelineVersions {
  std::vector<StoredPipelineVersion> versions;
  int64_t total = 0;
  std::string next_page_token;
};

// Thread-safe. kNotFound says which pipeline or version is missing.
class PipelineStore {
 public:
  // Makes or upgrades the tables. Both outlive the store.
  static Result<std::unique_ptr<PipelineStore>> Open(Database* database, Clock* clock);

  // Sets id and created, display_name to the name when empty. kInvalidArgument, kAlreadyExists.
  Result<StoredPipeline> Create(StoredPipeline pipeline);
  // A pipeline with its first version, or neither.
  Result<StoredPipeline> CreateWithVersion(StoredPipeline pipeline, StoredPipelineVersion version);
  Result<StoredPipelineVersion> CreateVersion(StoredPipelineVersion version);

  Result<StoredPipeline> Get(const std::string& id);
  Result<StoredPipeline> GetByName(const std::string& name_space, const std::string& name);
  Result<StoredPipelineVersion> GetVersion(const std::string& pipeline_id, const std::string& version_id);
  // The newest.
  Result<StoredPipelineVersion> LatestVersion(const std::string& pipeline_id);
  // Fields: pipeline_id, name, display_name, description, created_at, namespace.
  Result<ListedPipelines> List(const ListRequest& request, const std::string& name_space = "");
  // Fields: pipeline_version_id, name, display_name, description, created_at.
  Result<ListedPipelineVersions> ListVersions(const std::string& pipeline_id, const ListRequest& request);

  // kFailedPrecondition when it has versions and they are not to go with it (`cascade`).
  Status Delete(const std::string& id, bool cascade);
  Status DeleteVersion(const std::string& pipeline_id, const std::string& version_id);

 private:
  PipelineStore(Database* database, Clock* clock) : database_(database), clock_(clock) {}
  Status Prepare(StoredPipeline* pipeline) const;
  Status Prepare(StoredPipelineVersion* version) const;

  Database* const database_;
  Clock* const clock_;
};

}  // namespace headrace::metadata
