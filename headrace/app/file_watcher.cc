#include "headrace/app/file_watcher.h"

#include <algorithm>
#include <utility>

#include "headrace/base/files.h"
#include "headrace/base/log.h"

namespace headrace::app {
namespace {

constexpr Duration kLongest = std::chrono::minutes(1);  // between two tries of what cannot be applied

}  // namespace

FileWatcher::~FileWatcher() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void FileWatcher::Add(std::string path, Duration interval, Apply apply, std::string applied) {
  files_.push_back(
      {std::move(path), interval, std::move(apply), std::move(applied), std::chrono::steady_clock::now() + interval});
}

void FileWatcher::Start() {
  if (!files_.empty()) thread_ = std::thread([this] { Run(); });
}

void FileWatcher::LookNow() {
  {
    MutexLock lock(mutex_);
    look_now_ = true;
  }
  wake_.NotifyAll();
}

void FileWatcher::Run() {
  for (;;) {
    const Deadline next = std::ranges::min_element(files_, {}, &File::next)->next;
    bool all;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && !look_now_ && std::chrono::steady_clock::now() < next) wake_.WaitUntil(mutex_, next);
      if (stopping_) return;
      all = std::exchange(look_now_, false);
    }
    for (File& file : files_) {
      if (!all && std::chrono::steady_clock::now() < file.next) continue;
      if (all) file.retry = {};
      Look(&file);
      file.next = std::chrono::steady_clock::now() + file.interval;
    }
  }
}

void FileWatcher::Look(File* file) {
  auto text = ReadFile(file->path);
  if (!text) return;
  const bool again = *text == file->failed;
  if (*text == file->applied) file->failed.clear();
  if (*text == file->applied || (again && std::chrono::steady_clock::now() < file->retry)) return;
  const Status status = file->apply(*text);
  if (status.ok()) {
    HR_LOG(info, "applied the new {}", file->path);
    file->applied = *std::move(text);
    file->failed.clear();
    return;
  }
  file->failures = again ? std::min(file->failures + 1, 16) : 0;
  file->retry = std::chrono::steady_clock::now() +
                std::min(std::min<Duration>(file->interval, kLongest) * (1 << file->failures), kLongest);
  if (!again || file->error != status.ToString())
    HR_LOG(err, "the new {} is not applied, what it said before stays: {}", file->path, status.ToString());
  file->failed = *std::move(text);
  file->error = status.ToString();
}

}  // namespace headrace::app
