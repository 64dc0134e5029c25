// SPDX-License-Identifier: BSL-1.0
#include "files/file_state.h"

namespace detent {
namespace {

bool has_other_attributes(const FileState& a, const FileState& b) noexcept {
  return a.mode != b.mode || a.owner != b.owner || a.group != b.group;
}

// A directory's size, times and links change with its entries, which are told by themselves.
FileEvents difference_of_directory(const FileState& before, const FileState& now,
                                   const FileHints& hints) noexcept {
  return {.attributes = hints.attributes || has_other_attributes(before, now),
          .revoked = hints.revoked};
}

// A file's time of writing may be set as well, and then there is a notice about attributes.
FileEvents difference_of_file(const FileState& before, const FileState& now,
                              const FileHints& hints) noexcept {
  FileEvents events = {.revoked = hints.revoked};
  const bool has_other_time = before.written != now.written;
  const bool has_other_size = before.size != now.size;
  events.linked = before.links != now.links;
  events.extended = before.size < now.size;
  events.written = hints.written || has_other_size || (has_other_time && !hints.attributes);
  // A link that is made or removed is a notice about attributes, too, and on BSD a size that is
  // set.
  const bool is_explained = events.linked || (has_other_size && !hints.written);
  events.attributes = has_other_attributes(before, now) || (hints.attributes && !is_explained) ||
                      (has_other_time && !events.written);
  // The notice of this was lost. Moving a file changes this time, too.
  if (before.changed != now.changed && !hints.place && !events.any()) events.attributes = true;
  return events;
}

}  // namespace

FileEvents difference(const FileState& before, const FileState& now,
                      const FileHints& hints) noexcept {
  if (!before.exists && !now.exists) return {.revoked = hints.revoked};
  if (!before.exists) return {.created = true};
  if (!now.exists) {
    return {.deleted = true, .renamed = hints.moved, .revoked = hints.revoked};
  }
  if (!is_same_file(before, now) || hints.gone || hints.left) {
    return {.replaced = true, .renamed = hints.moved, .revoked = hints.revoked};
  }
  if (now.is_directory) return difference_of_directory(before, now, hints);
  return difference_of_file(before, now, hints);
}

}  // namespace detent
