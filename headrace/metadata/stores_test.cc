// Experiments and uploaded pipelines on a real database.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"
#include "headrace/metadata/experiment_store.h"
#include "headrace/metadata/pipeline_store.h"

namespace headrace::metadata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoresTest : public testing::Test {
 protected:
  StoresTest() : database_(sqlite::OpenSqliteDatabase(folder_.path() / "h.db").value()) { Reopen(); }
  void Reopen() {
    experiments_ = ExperimentStore::Open(database_.get(), &clock_).value();
    pipelines_ = PipelineStore::Open(database_.get(), &clock_).value();
  }
  Experiment MakeExperiment(const std::string& name) {
    clock_.Advance(std::chrono::seconds(1));
    Experiment experiment;
    experiment.name = name;
    return experiments_->Create(experiment).value();
  }
  StoredPipeline MakePipeline(const std::string& name) {
    clock_.Advance(std::chrono::seconds(1));
    StoredPipeline pipeline;
    pipeline.name = name;
    return pipelines_->CreateWithVersion(pipeline, MakeVersion("", name)).value();
  }
  static StoredPipelineVersion MakeVersion(const std::string& pipeline_id, const std::string& name) {
    StoredPipelineVersion version;
    version.pipeline_id = pipeline_id;
    version.name = name;
    version.spec = json::object{{"pipelineInfo", json::object{{"name", name}}}};
    return version;
  }
  std::vector<std::string> Names(const ListRequest& request) {
    std::vector<std::string> names;
    const auto listed = experiments_->List(request).value();
    for (const auto& experiment : listed.experiments) names.push_back(experiment.name);
    return names;
  }

  TempDir folder_{std::filesystem::exists("/dev/shm") ? "/dev/shm" : ""};
  FakeClock clock_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ExperimentStore> experiments_;
  std::unique_ptr<PipelineStore> pipelines_;
};

TEST_F(StoresTest, TheDefaultExperimentIsThereOnce) {
  const auto first = experiments_->Default().value();
  EXPECT_EQ(first.name, "Default");
  Reopen();
  EXPECT_EQ(experiments_->Default()->id, first.id);
  EXPECT_EQ(experiments_->List({})->total, 1);
  ASSERT_TRUE(experiments_->Delete(first.id).ok());
  EXPECT_NE(experiments_->Default()->id, first.id);
}

TEST_F(StoresTest, ExperimentsAreCreatedListedArchivedDeleted) {
  const auto a = MakeExperiment("a"), b = MakeExperiment("b");
  EXPECT_EQ(experiments_->Get(a.id)->created, a.created);
  Experiment again;
  again.name = "a";
  EXPECT_EQ(experiments_->Create(again).error().code(), Code::kAlreadyExists);
  again.name = "";
  EXPECT_EQ(experiments_->Create(again).error().code(), Code::kInvalidArgument);
  EXPECT_THAT(Names({.sort_by = "display_name", .descending = true}), ElementsAre("b", "a", "Default"));
  ASSERT_TRUE(experiments_->SetArchived(a.id, true).ok());
  EXPECT_THAT(Names({.predicates = {{ListOperation::kEquals, "storage_state", {"ARCHIVED"}}}}), ElementsAre("a"));
  ASSERT_TRUE(experiments_->SetArchived(a.id, false).ok());
  EXPECT_FALSE(experiments_->Get(a.id)->archived);
  ASSERT_TRUE(experiments_->Delete(b.id).ok());
  for (const Status& status :
       {experiments_->Delete(b.id), experiments_->SetArchived(b.id, true), internal::AsStatus(experiments_->Get(b.id))})
    EXPECT_EQ(status, NotFound("Experiment {} not found", b.id));
}

TEST_F(StoresTest, RunsAreNotedUnlessArchived) {
  const auto a = MakeExperiment("a");
  const auto note = [&](const std::string& id) {
    return database_->Transact(
        [&](Transaction& transaction) { return experiments_->NoteRun(transaction, id, clock_.Now()); });
  };
  ASSERT_TRUE(note(a.id).ok());
  EXPECT_EQ(experiments_->Get(a.id)->last_run, clock_.Now());
  ASSERT_TRUE(experiments_->SetArchived(a.id, true).ok());
  EXPECT_EQ(note(a.id).code(), Code::kFailedPrecondition);
  EXPECT_EQ(note("nobody").code(), Code::kNotFound);
}

TEST_F(StoresTest, PipelinesHaveVersions) {
  const auto pipeline = MakePipeline("flights");
  EXPECT_EQ(pipeline.display_name, "flights");
  EXPECT_EQ(pipelines_->GetByName("", "flights")->id, pipeline.id);
  clock_.Advance(std::chrono::seconds(1));
  const auto second = pipelines_->CreateVersion(MakeVersion(pipeline.id, "two")).value();
  EXPECT_EQ(pipelines_->LatestVersion(pipeline.id)->id, second.id);
  EXPECT_EQ(pipelines_->GetVersion(pipeline.id, second.id)->spec.at("pipelineInfo").at("name"), "two");
  const auto listed = pipelines_->ListVersions(pipeline.id, {.sort_by = "created_at", .descending = true}).value();
  EXPECT_EQ(listed.total, 2);
  EXPECT_EQ(listed.versions[0].name, "two");

  EXPECT_EQ(pipelines_->CreateVersion(MakeVersion(pipeline.id, "two")).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(pipelines_->CreateVersion(MakeVersion("nobody", "x")).error(), NotFound("Pipeline nobody not found"));
  EXPECT_EQ(pipelines_->GetVersion("other", second.id).error().code(), Code::kNotFound);
}

TEST_F(StoresTest, PipelinesOfOneNameAreRefusedWhole) {
  const auto first = MakePipeline("flights");
  StoredPipeline again;
  again.name = "flights";
  EXPECT_EQ(pipelines_->CreateWithVersion(again, MakeVersion("", "v")).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(pipelines_->List({})->total, 1);
  EXPECT_EQ(pipelines_->ListVersions(first.id, {})->total, 1);
}

TEST_F(StoresTest, PipelinesAreDeletedWithTheirVersionsOnlyWhenAsked) {
  const auto pipeline = MakePipeline("flights");
  const Status refused = pipelines_->Delete(pipeline.id, false);
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("has 1 versions"));
  ASSERT_TRUE(pipelines_->DeleteVersion(pipeline.id, pipelines_->LatestVersion(pipeline.id)->id).ok());
  ASSERT_TRUE(pipelines_->Delete(pipeline.id, false).ok());
  const auto other = MakePipeline("other");
  ASSERT_TRUE(pipelines_->Delete(other.id, true).ok());
  EXPECT_EQ(pipelines_->Delete(other.id, true).code(), Code::kNotFound);
  EXPECT_EQ(database_->Query("SELECT count(*) FROM pipeline_versions")->at(0).integer(0), 0);
}

}  // namespace
}  // namespace headrace::metadata
