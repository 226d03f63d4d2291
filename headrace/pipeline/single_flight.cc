#include "headrace/pipeline/single_flight.h"

namespace headrace::pipeline {

SingleFlight::Turn SingleFlight::Enter(const std::string& key, std::shared_ptr<Waiter> waiter) {
  const MutexLock lock(table_->mutex);
  const auto [entry, first] = table_->waiting.try_emplace(key);
  if (first) return Turn(table_.get(), [table = table_, key](void*) { Leave(*table, key); });
  entry->second.push_back(std::move(waiter));
  return nullptr;
}

void SingleFlight::Leave(Table& table, const std::string& key) {
  std::vector<std::shared_ptr<Waiter>> waiting;
  {
    const MutexLock lock(table.mutex);
    const auto entry = table.waiting.find(key);
    waiting = std::move(entry->second);
    table.waiting.erase(entry);
  }
  for (const auto& waiter : waiting) waiter->Wake();
}

}  // namespace headrace::pipeline
