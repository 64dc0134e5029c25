// SPDX-License-Identifier: BSL-1.0
#include "setup_error.h"

namespace detent {

std::string origin_text(const char* call, const std::string& object, const Name& name) {
  const std::string subject = object.empty() ? "" : ": " + object + ',';
  return call + subject + " \"" + name.text + "\" of " + name.file + ':' +
         std::to_string(name.line);
}

std::string setup_text(const char* call, const std::string& object, const Name& name,
                       const std::system_error& error) {
  std::string inner = error.what();
  const std::string reason = ": " + error.code().message();
  if (inner.ends_with(reason)) inner.resize(inner.size() - reason.size());
  return origin_text(call, object, name) + ": " + inner;
}

void fail_setting_up(const char* call, const std::string& object, const Name& name,
                     const std::system_error& error) {
  throw std::system_error(error.code(), setup_text(call, object, name, error));
}

}  // namespace detent
