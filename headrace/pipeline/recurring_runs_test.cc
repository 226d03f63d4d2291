#include "headrace/pipeline/recurring_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"

namespace headrace::pipeline {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RecurringRunsTest : public testing::Test {
 protected:
  RecurringRunsTest() : database_(sqlite::OpenSqliteDatabase(folder_.path() / "h.db").value()) { Reopen(); }

  void Reopen() {
    RecurringRunsOptions options;
    options.database = database_.get();
    options.clock = &clock_;
    options.make_run = [this](const RecurringRun& recurring, TimePoint scheduled,
                              RecurringRunsOptions::InTransaction in_transaction) {
      if (!refuse_.ok()) return refuse_;
      const std::string id = recurring.display_name + " " + std::to_string(runs_);
      HR_RETURN_IF_ERROR(
          database_->Transact([&](Transaction& transaction) { return in_transaction(transaction, id); }));
      runs_++;
      made_.push_back(std::chrono::duration_cast<seconds>(scheduled - begin_).count());
      if (runs_take_long_) unfinished_.insert(id);
      return OkStatus();
    };
    options.is_unfinished = [this](const std::string& run_id) { return unfinished_.contains(run_id); };
    recurring_ = RecurringRuns::Open(std::move(options)).value();
  }

  RecurringRun Make(RecurringRun recurring) {
    recurring.display_name = "train";
    if (recurring.trigger.cron.empty() && recurring.trigger.interval_s == 0) recurring.trigger.interval_s = 60;
    return recurring_->Create(std::move(recurring)).value();
  }
  RecurringRun MakeWithoutCatchUp() {
    RecurringRun recurring;
    recurring.no_catchup = true;
    return Make(std::move(recurring));
  }
  std::optional<TimePoint> TickAfter(Duration duration) {
    clock_.Advance(duration);
    return recurring_->Tick(clock_.Now());
  }

  TempDir folder_{std::filesystem::exists("/dev/shm") ? "/dev/shm" : ""};
  FakeClock clock_;
  const TimePoint begin_ = clock_.Now();
  std::unique_ptr<Database> database_;
  std::unique_ptr<RecurringRuns> recurring_;
  std::vector<int64_t> made_;  // seconds after begin_
  std::set<std::string> unfinished_;
  int runs_ = 0;
  bool runs_take_long_ = false;
  Status refuse_;
};

TEST_F(RecurringRunsTest, MakesARunAtEachTime) {
  const auto recurring = Make({});
  EXPECT_EQ(TickAfter(seconds(59)), begin_ + seconds(60));
  EXPECT_THAT(made_, IsEmpty());
  TickAfter(seconds(1));
  recurring_->Tick(clock_.Now());
  EXPECT_THAT(made_, ElementsAre(60));
  TickAfter(seconds(60));
  EXPECT_THAT(made_, ElementsAre(60, 120));
  EXPECT_EQ(recurring_->MakerOf("train 1").value(), recurring.id);
  EXPECT_EQ(recurring_->MakerOf("another").value(), "");
}

TEST_F(RecurringRunsTest, CatchesUpUnlessToldNotTo) {
  Make({});
  TickAfter(minutes(3));
  EXPECT_THAT(made_, ElementsAre(60, 120, 180));
  made_.clear();
  Reopen();
  MakeWithoutCatchUp();
  TickAfter(minutes(3));
  EXPECT_THAT(made_, testing::UnorderedElementsAre(240, 300, 360, 360));
}

TEST_F(RecurringRunsTest, WaitsForItsPredecessors) {
  runs_take_long_ = true;
  RecurringRun two;
  two.max_concurrency = 2;
  Make(two);
  EXPECT_EQ(TickAfter(minutes(3)), begin_ + minutes(3) + seconds(1));
  EXPECT_THAT(made_, ElementsAre(60, 120));
  unfinished_.erase("train 0");
  TickAfter(seconds(1));
  EXPECT_THAT(made_, ElementsAre(60, 120, 180));
}

TEST_F(RecurringRunsTest, ATimeWhoseTransactionFailsMakesItsRunLater) {
  Make({});
  refuse_ = Unavailable("the database is busy");
  TickAfter(seconds(60));
  refuse_ = OkStatus();
  TickAfter(seconds(1));
  EXPECT_THAT(made_, ElementsAre(60));
}

TEST_F(RecurringRunsTest, ATimeThatCannotMakeARunIsNotedAndPassed) {
  const auto recurring = Make({});
  refuse_ = NotFound("Pipeline x not found");
  TickAfter(seconds(60));
  EXPECT_EQ(recurring_->Get(recurring.id)->error, "Pipeline x not found");
  refuse_ = OkStatus();
  TickAfter(seconds(60));
  EXPECT_THAT(made_, ElementsAre(120));
  EXPECT_EQ(recurring_->Get(recurring.id)->error, "");
}

TEST_F(RecurringRunsTest, IsDisabledEnabledDeletedListed) {
  const auto recurring = MakeWithoutCatchUp();
  ASSERT_TRUE(recurring_->SetEnabled(recurring.id, false).ok());
  EXPECT_EQ(TickAfter(minutes(5)), std::nullopt);
  EXPECT_THAT(made_, IsEmpty());
  ASSERT_TRUE(recurring_->SetEnabled(recurring.id, true).ok());
  TickAfter(seconds(60));
  EXPECT_THAT(made_, ElementsAre(360));
  EXPECT_EQ(recurring_->List({})->total, 1);
  EXPECT_EQ(recurring_->List({}, "elsewhere")->total, 0);
  ASSERT_TRUE(recurring_->Delete(recurring.id).ok());
  for (const Status& status : {recurring_->Delete(recurring.id), recurring_->SetEnabled(recurring.id, true),
                               internal::AsStatus(recurring_->Get(recurring.id))})
    EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(TickAfter(minutes(5)), std::nullopt);
}

TEST_F(RecurringRunsTest, KeepsWhatItWasGiven) {
  RecurringRun given;
  given.description = "each night";
  given.experiment_id = "e";
  given.spec = json::object{{"pipelineInfo", json::object{{"name", "p"}}}};
  given.reference = {{"pipeline_id", "p"}};
  given.parameters = {{"rate", 0.5}};
  given.trigger = {.cron = "@daily", .start = begin_ + minutes(5), .end = begin_ + std::chrono::hours(99)};
  given.max_concurrency = 3;
  const auto made = Make(given);
  Reopen();
  const auto kept = recurring_->Get(made.id).value();
  EXPECT_EQ(kept.description, "each night");
  EXPECT_EQ(kept.spec, given.spec);
  EXPECT_EQ(kept.reference, given.reference);
  EXPECT_EQ(kept.parameters, given.parameters);
  EXPECT_EQ(kept.trigger.cron, "@daily");
  EXPECT_EQ(kept.trigger.start, given.trigger.start);
  EXPECT_EQ(kept.trigger.end, given.trigger.end);
  EXPECT_EQ(kept.max_concurrency, 3);
  EXPECT_EQ(kept.next, made.next);
}

TEST_F(RecurringRunsTest, RefusesWhatCannotWork) {
  RecurringRun recurring;
  recurring.trigger.interval_s = 5;
  EXPECT_THAT(recurring_->Create(recurring).error().message(), HasSubstr("display_name"));
  recurring.display_name = "x";
  recurring.max_concurrency = 11;
  EXPECT_THAT(recurring_->Create(recurring).error().message(), HasSubstr("max_concurrency"));
  recurring.max_concurrency = 1;
  recurring.trigger.cron = "often";
  EXPECT_THAT(recurring_->Create(recurring).error().message(), HasSubstr("trigger"));
}

TEST_F(RecurringRunsTest, ItsThreadMakesRunsByItself) {
  RecurringRunsOptions options;
  options.database = database_.get();
  std::atomic<int> made = 0;
  options.make_run = [&](const RecurringRun&, TimePoint, const RecurringRunsOptions::InTransaction& in_transaction) {
    const Status status = database_->Transact(
        [&](Transaction& transaction) { return in_transaction(transaction, std::to_string(made.load())); });
    made += status.ok();
    made.notify_all();
    return status;
  };
  options.is_unfinished = [](const std::string&) { return false; };
  auto running = RecurringRuns::Open(std::move(options)).value();
  running->Start();
  RecurringRun recurring;
  recurring.display_name = "soon";
  recurring.trigger = {.cron = "", .interval_s = 1};
  ASSERT_TRUE(running->Create(recurring));
  made.wait(0);
  EXPECT_GE(made, 1);
}

}  // namespace
}  // namespace headrace::pipeline
