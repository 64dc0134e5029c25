// SPDX-License-Identifier: BSL-1.0
/// \file
/// A folder of a test's own.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace detent::testing_support {

/// It goes with all that is in it. It lies in another one, so what other programs do in the
/// system's folder for temporary files wakes no loop here.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    if (::mkdtemp(outer_.data()) == nullptr) throw std::runtime_error("mkdtemp: " + outer_);
    std::filesystem::create_directory(path_ = outer_ + "/inner");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(outer_, ignored);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + '/' + std::string(name);
  }

 private:
  std::string outer_ = std::filesystem::temp_directory_path() / "detent-XXXXXX";
  std::string path_;
};

}  // namespace detent::testing_support
